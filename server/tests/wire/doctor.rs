//! `doctor` passes a machine that can run the server, and reports the remedy of each fault.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use serde_json::Value;
use uringcast_server::diagnostics::check_report::{Report, Verdict};
use uringcast_server::diagnostics::doctor::{CHECKS, Options, examine};

const PROGRAM: &str = env!("CARGO_BIN_EXE_uringcast-server");

const LIMITS: &str = "proc/self/limits";
const MEMINFO: &str = "proc/meminfo";
const GROUP: &str = "sys/fs/cgroup/a.slice/u.service/memory.max";

/// The files of a machine that passes.
const GOOD: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.12.41-amd64\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("proc/self/status", "Name:\tu\nSeccomp:\t0\n"),
    (
        LIMITS,
        "Max open files            1024                 20000                files\n\
              Max locked memory         8388608              8388608              bytes\n",
    ),
    (MEMINFO, "MemTotal:       24685000 kB\nMemAvailable:   20000000 kB\n"),
    ("proc/self/cgroup", "0::/a.slice/u.service\n"),
    (GROUP, "max\n"),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/fs/file-max", "2466170\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/core/netdev_max_backlog", "1000\n"),
];

fn examined(options: &Options, root: &Path) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(examine(options, root))
}

/// A machine like [`GOOD`], but for one file.
fn machine(flags: &[&str], other: (&str, &str)) -> Report {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in GOOD.iter().chain([&other]) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let flags = ["doctor", "--shards=1"].iter().chain(flags);
    examined(&Options::parse_from(flags), root.path())
}

#[test]
fn a_good_machine_passes_every_check_there_is() {
    let report = machine(&[], GOOD[0]);
    assert_eq!(report.exit_code(), 0, "{report}");
    let made: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
    // Those of a cluster are made where there is one: tests/cluster/setup.rs.
    let own = CHECKS.iter().map(|kind| kind.name).filter(|name| !name.starts_with("cluster"));
    let all: Vec<&str> = own.collect();
    assert_eq!(made, all);
}

#[test]
fn each_fault_of_a_machine_is_named_with_what_to_change() {
    use Verdict::{Fail, Note, Warn};
    let files =
        |hard: &str| format!("Max open files  100  {hard}  files\nMax locked memory 64 64 b");
    let (none, few) = (files("500"), files("1500"));
    let large: &[&str] = &["--connections=15000", "--tls"];
    let tcp_mem = "proc/sys/net/ipv4/tcp_mem";
    let tracked = "proc/sys/net/netfilter/nf_conntrack_max";
    for (flags, path, text, check, verdict, code, word) in [
        (&[][..], "proc/sys/kernel/osrelease", "5.15.0-91", "kernel", Fail, 2, "6.1"),
        (&[], "proc/sys/kernel/osrelease", "6.0.9", "kernel", Warn, 1, "6.1"),
        (&[], "proc/sys/kernel/io_uring_disabled", "2", "io_uring_disabled", Fail, 2, "sysctl -w"),
        (&[], "proc/sys/kernel/io_uring_disabled", "1", "io_uring_disabled", Warn, 1, "group"),
        (&[], "proc/self/status", "Seccomp:\t2", "seccomp", Note, 0, "io_uring_setup"),
        (&[], "proc/sys/kernel/osrelease", "6.4.9", "hand_over", Note, 0, "6.5"),
        (&[], "proc/sys/kernel/yama/ptrace_scope", "2", "hand_over", Note, 0, "ptrace_scope=1"),
        (&[], "proc/sys/kernel/yama/ptrace_scope", "3", "hand_over", Note, 0, "restart"),
        (&[], LIMITS, &none, "descriptors", Fail, 2, "LimitNOFILE="),
        (&[], LIMITS, &few, "descriptors", Warn, 1, "LimitNOFILE="),
        (&[], LIMITS, &few, "memlock", Note, 1, "LimitMEMLOCK="),
        (large, MEMINFO, "MemAvailable: 100000 kB", "memory", Fail, 2, "MiB"),
        (large, MEMINFO, "MemAvailable: 300000 kB", "memory", Warn, 1, "shard-log-bytes"),
        (large, GROUP, "100000000", "memory", Fail, 2, "control group"),
        (&[], "proc/sys/fs/nr_open", "1024", "fs.nr_open", Fail, 2, "fs.nr_open="),
        (&[], "proc/sys/fs/file-max", "1500", "fs.file-max", Fail, 2, "fs.file-max="),
        (&[], "proc/sys/net/core/somaxconn", "128", "net.core.somaxconn", Warn, 1, "=4096"),
        (large, tcp_mem, "9000 10000 20000", "net.ipv4.tcp_mem", Warn, 1, "='9000 2"),
        (
            &[],
            "proc/sys/net/ipv4/tcp_wmem",
            "4096 4096 9000",
            "net.ipv4.tcp_wmem",
            Warn,
            1,
            "='4096 16384 16384'",
        ),
        (
            &["--connections=15000"],
            "proc/sys/net/ipv4/ip_local_port_range",
            "50000 60999",
            "net.ipv4.ip_local_port_range",
            Note,
            0,
            "1024 65535",
        ),
        (
            &[],
            "proc/sys/net/core/netdev_max_backlog",
            "64",
            "net.core.netdev_max_backlog",
            Warn,
            1,
            "=256",
        ),
        (&[], tracked, "1500", "net.netfilter.nf_conntrack_max", Warn, 1, "=2000"),
        (&["--connections=100000000"], LIMITS, GOOD[3].1, "io_uring", Fail, 2, "RLIMIT_NOFILE"),
    ] {
        let report = machine(flags, (path, text));
        let found = report.checks.iter().find(|found| found.name == check).unwrap();
        assert_eq!(
            (found.finding.verdict, report.exit_code()),
            (verdict, code),
            "{check}:\n{report}"
        );
        let told = format!("{} {}", found.finding.found, found.finding.remedy);
        assert!(
            told.contains(word) && !found.finding.remedy.is_empty(),
            "{word:?} is not in {found:?}"
        );
    }
}

#[test]
fn more_shards_than_cores_are_a_warning() {
    let report = examined(&Options::parse_from(["doctor", "--shards=64"]), Path::new("/"));
    let cores = report.checks.iter().find(|check| check.name == "cores").unwrap();
    let expected =
        if uringcast_engine::preflight::shards() < 64 { Verdict::Warn } else { Verdict::Pass };
    assert_eq!(cores.finding.verdict, expected, "{report}");
}

/// Runs the program through another. Returns the exit code and the report.
fn run(mut command: Command) -> (Option<i32>, Value) {
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), report.unwrap_or_else(|error| panic!("{error}: {said}")))
}

fn verdict<'a>(report: &'a Value, check: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|found| found["name"] == check).unwrap()
}

#[test]
fn io_uring_that_is_forbidden_is_told_with_the_remedy() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/deny_io_uring.py");
    for (errno, word) in [("1", "seccomp"), ("38", "Linux 6.0")] {
        let mut python = Command::new("python3");
        python.arg(&script).args([errno, PROGRAM, "doctor", "--json"]);
        let (code, report) = run(python);
        let check = verdict(&report, "io_uring");
        assert_eq!((code, &check["verdict"]), (Some(2), &"fail".into()), "{report:#}");
        assert!(check["remedy"].to_string().contains(word), "{check:#}");
        assert_eq!(verdict(&report, "seccomp")["verdict"], "note");
    }
}

/// A control group of our own that grants one CPU's time, as far as this machine lets us make one.
struct OneCpu(PathBuf);

impl OneCpu {
    fn make() -> std::io::Result<OneCpu> {
        let name = format!("uringcast-test-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/cpu").exists();
        let group = Path::new("/sys/fs/cgroup").join(if old { "cpu" } else { "" }).join(name);
        fs::create_dir(&group)?;
        let group = OneCpu(group);
        match old {
            true => {
                fs::write(group.0.join("cpu.cfs_period_us"), "100000")?;
                fs::write(group.0.join("cpu.cfs_quota_us"), "100000")?;
            }
            false => fs::write(group.0.join("cpu.max"), "100000 100000")?,
        }
        Ok(group)
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cpu_quota_bounds_the_number_of_shards() {
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return eprintln!("SKIPPED: a quota of one CPU changes nothing here");
    }
    let group = match OneCpu::make() {
        Ok(group) => group,
        Err(error) => return eprintln!("SKIPPED: no control group can be made: {error}"),
    };
    let procs = group.0.join("cgroup.procs");
    let mut command = Command::new("sh");
    let script = "echo $$ > \"$0\" && exec \"$1\" doctor --json";
    command.arg("-c").arg(script).arg(&procs).arg(PROGRAM);
    let (_, report) = run(command);
    let cores = verdict(&report, "cores").to_string();
    assert!(cores.contains("1 for 1 shards (CPU quota; "), "{cores}");
}

#[test]
fn too_few_open_files_are_told_and_nothing_needs_root() {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n 90; exec {PROGRAM} doctor --json --shards=1")]);
    let (code, report) = run(shell);
    assert_eq!(code, Some(2), "{report:#}");
    assert_eq!(verdict(&report, "descriptors")["verdict"], "fail", "{report:#}");

    // Only root can change to the user `nobody`, which may not be able to read the program where
    // it is: hence the copy.
    let dir = tempfile::Builder::new().permissions(mode(0o755)).tempdir().unwrap();
    let program = dir.path().join("uringcast-server");
    fs::copy(PROGRAM, &program).unwrap();
    let mut nobody = Command::new(&program);
    nobody.args(["doctor", "--json", "--connections=100"]);
    if rustix::process::geteuid().is_root() {
        nobody.uid(65_534).gid(65_534);
    }
    let (code, report) = run(nobody);
    assert_ne!(code, Some(2), "{report:#}");
    assert_eq!(verdict(&report, "io_uring")["verdict"], "pass", "{report:#}");
}

fn mode(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}
