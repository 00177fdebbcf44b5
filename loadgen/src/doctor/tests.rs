use std::fs;

use clap::Parser;

use super::*;

fn diagnosis(files: &[(&str, &str)], flags: &[&str], file_limit: u64) -> Diagnosis {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let args = Args::parse_from([&["loadgen", "--self-host"], flags].concat());
    let plan = LoadPlan::resolve(args.input.clone()).unwrap();
    Diagnosis::of(&args, &plan, &Machine::below(root.path()), file_limit)
}

const CPUS: [(&str, &str); 2] =
    [("proc/self/status", "Cpus_allowed_list:\t0-3\n"), ("sys/devices/system/cpu/online", "0-7\n")];

fn only<'a>(diagnosis: &'a Diagnosis, name: &str) -> &'a Finding {
    diagnosis.checks.iter().find(|check| check.name == name).unwrap()
}

#[test]
fn a_machine_that_carries_the_run_passes_without_commands() {
    let fine = diagnosis(
        &[&CPUS[..], &[("proc/meminfo", "MemAvailable: 8000000 kB\n")]].concat(),
        &["--connections=1000", "--threads=2"],
        20_000,
    );
    assert_eq!((fine.verdict, fine.exit_code()), (Verdict::Pass, 0), "{}", fine.table());
    assert!(!fine.table().contains("mend:"), "{}", fine.table());
    assert_eq!(fine.checks.len(), 4, "no quota, nothing pinned, no somaxconn");
}

#[test]
fn what_is_too_small_comes_with_the_command_that_mends_it() {
    let tight = [
        ("proc/sys/fs/nr_open", "20000\n"),
        ("proc/sys/net/core/somaxconn", "128\n"),
        ("proc/sys/net/ipv4/ip_local_port_range", "60000 60999\n"),
        ("proc/meminfo", "MemAvailable: 1000000 kB\n"),
        ("proc/self/cgroup", "0::/a\n"),
        ("sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
    ];
    let found = diagnosis(
        &[&CPUS[..], &tight].concat(),
        &["--connections=100000", "--threads=7", "--pin=2,9"],
        1_024,
    );
    assert_eq!(found.exit_code(), 2);
    for (name, command) in [
        ("descriptors", "sudo sysctl -w fs.nr_open=100086 && sudo prlimit --pid $$ --nofile="),
        ("ports", "sudo sysctl -w net.ipv4.ip_local_port_range='1024 65535'"),
        ("memory", "loadgen --connections 29"),
        ("cpus", "taskset -c 0-7 loadgen …"),
        ("somaxconn", "sudo sysctl -w net.core.somaxconn=1024"),
        ("pinning", "loadgen --pin 0-3 …"),
        ("quota", "echo max | sudo tee /sys/fs/cgroup/a/cpu.max"),
    ] {
        let check = only(&found, name);
        let mend = check.command.as_deref().unwrap_or_default();
        assert!(mend.starts_with(command), "{name}: {check:?}");
        assert!(found.table().contains(&format!("      mend: {command}")));
    }
    assert_eq!(only(&found, "pinning").verdict, Verdict::Warn, "one of them can be used");
}

#[test]
fn a_remote_server_needs_ports_of_one_address_and_no_queue_here() {
    let queue = [("proc/sys/net/core/somaxconn", "1\n")];
    let root = [&CPUS[..], &queue].concat();
    let args = ["loadgen", "--url=wss://192.0.2.1", "--connections=30000"];
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in root {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let machine = Machine::below(directory.path());
    let args = Args::parse_from(args);
    let plan = LoadPlan::resolve(args.input.clone()).unwrap();
    let found = Diagnosis::of(&args, &plan, &machine, 100_000);
    let ports = only(&found, "ports");
    assert_eq!(ports.verdict, Verdict::Fail);
    assert!(ports.found.contains("30,000") && ports.found.contains("28,232"), "{}", ports.found);
    assert!(found.checks.iter().all(|check| check.name != "somaxconn"));
}
