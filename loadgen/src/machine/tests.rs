use super::*;

/// A directory with these files.
fn made(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let machine = Machine::below(root.path());
    (root, machine)
}

#[test]
fn files_of_the_kernel_are_read() {
    let (_root, machine) = made(&[
        ("proc/sys/kernel/ostype", "Linux\n"),
        ("proc/sys/kernel/osrelease", "6.18.0\n"),
        ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nmodel name\t: Other\n"),
        ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3,6\n"),
        ("proc/meminfo", "MemTotal:  1000 kB\nMemAvailable:  10 kB\n"),
        ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
        ("sys/devices/system/cpu/online", "0-7\n"),
    ]);
    assert_eq!(machine.kernel().unwrap(), "Linux 6.18.0");
    assert_eq!(machine.cpu_model().unwrap(), "Some CPU");
    assert_eq!(machine.cpus_allowed().as_deref().map(count), Some(5));
    assert_eq!(machine.cpus_online(), Some(8));
    assert_eq!(machine.memory(), Some(1000 * 1024));
    assert_eq!(machine.memory_available(), Some(10 * 1024));
    assert_eq!(machine.sysctl("net.ipv4.ip_local_port_range"), Some(vec![32768, 60999]));
    assert_eq!(machine.sysctl("net.core.somaxconn"), None);
    assert_eq!(machine.quota(), None);
}

#[test]
fn the_tightest_quota_of_the_groups_counts() {
    let (_root, machine) = made(&[
        ("proc/self/cgroup", "0::/outer/inner\n"),
        ("sys/fs/cgroup/outer/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n"),
    ]);
    let file = "/sys/fs/cgroup/outer/cpu.max".into();
    assert_eq!(machine.quota(), Some(Quota { cpus: 1.5, file }));

    let (_root, machine) = made(&[
        ("proc/self/cgroup", "2:cpuacct,cpu:/a\n1:memory:/b\n"),
        ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000"),
        ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000"),
        ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
        ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
    ]);
    assert_eq!(machine.quota().unwrap().cpus, 0.5);
}
