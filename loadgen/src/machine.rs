//! What the kernel says of this machine and of this process's place on it.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Reads below `proc` and `sys` of a directory: of `/`, or of one that a test has made.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: PathBuf,
}

/// How many CPUs' time a control group grants, and the file that says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quota {
    pub(crate) cpus: f64,
    pub(crate) file: PathBuf,
}

impl Machine {
    /// The machine that has its `proc` and `sys` below `root`.
    pub(crate) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// This one.
    pub(crate) fn this() -> Self {
        Self::below(Path::new("/"))
    }

    /// The text of a file, without white space around it. `None` where there is none.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The numbers of a sysctl such as `net.core.somaxconn`.
    pub(crate) fn sysctl(&self, name: &str) -> Option<Vec<u64>> {
        let text = self.read(&format!("proc/sys/{}", name.replace('.', "/")))?;
        text.split_whitespace().map(|word| word.parse().ok()).collect()
    }

    /// System and release, e.g. `Linux 6.18.0`.
    pub(crate) fn kernel(&self) -> Option<String> {
        let part = |name| self.read(&format!("proc/sys/kernel/{name}"));
        Some(format!("{} {}", part("ostype")?, part("osrelease")?))
    }

    /// What the first CPU calls itself.
    pub(crate) fn cpu_model(&self) -> Option<String> {
        self.field("proc/cpuinfo", "model name")
    }

    /// CPUs that are switched on.
    pub(crate) fn cpus_online(&self) -> Option<usize> {
        self.read("sys/devices/system/cpu/online").map(|list| count(&list))
    }

    /// The CPUs that this process may run on, as a list like `0-3,6`.
    pub(crate) fn cpus_allowed(&self) -> Option<String> {
        self.field("proc/self/status", "Cpus_allowed_list")
    }

    /// Bytes of memory in all.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.kilobytes("MemTotal")
    }

    /// Bytes that can be had without swapping.
    pub(crate) fn memory_available(&self) -> Option<u64> {
        self.kilobytes("MemAvailable")
    }

    /// The tightest CPU quota of the process's control groups (v2, or v1).
    pub(crate) fn quota(&self) -> Option<Quota> {
        let groups = self.read("proc/self/cgroup")?;
        let quotas = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let mount = match controllers {
                "" => "sys/fs/cgroup",
                list if list.split(',').any(|one| one == "cpu") => "sys/fs/cgroup/cpu",
                _ => return None,
            };
            self.quota_of(mount, path)
        });
        quotas.min_by(|one, other| one.cpus.total_cmp(&other.cpus))
    }

    /// The tightest of a group and those above it.
    fn quota_of(&self, mount: &str, path: &str) -> Option<Quota> {
        let groups = Path::new(path).ancestors().map(|group| {
            let group = group.strip_prefix("/").unwrap_or(group);
            Path::new(mount).join(group)
        });
        let quotas = groups.filter_map(|group| {
            let number = |text: Option<&str>| text?.parse::<f64>().ok().filter(|n| *n > 0.0);
            let text = |name: &str| self.read(group.join(name).to_str()?);
            let (file, cpus) = match text("cpu.max") {
                Some(line) => {
                    let mut words = line.split_whitespace();
                    ("cpu.max", number(words.next())? / number(words.next())?)
                }
                None => {
                    let quota = text("cpu.cfs_quota_us");
                    let period = text("cpu.cfs_period_us");
                    ("cpu.cfs_quota_us", number(quota.as_deref())? / number(period.as_deref())?)
                }
            };
            Some(Quota { cpus, file: Path::new("/").join(group).join(file) })
        });
        quotas.min_by(|one, other| one.cpus.total_cmp(&other.cpus))
    }

    fn kilobytes(&self, name: &str) -> Option<u64> {
        let text = self.field("proc/meminfo", name)?;
        text.trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }

    /// The value of the first line `name: value`.
    fn field(&self, file: &str, name: &str) -> Option<String> {
        let text = self.read(file)?;
        let values = text.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        });
        values.into_iter().next()
    }
}

/// The ranges of a list like `0-3,6`.
fn ranges(list: &str) -> impl Iterator<Item = RangeInclusive<usize>> + '_ {
    list.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    })
}

/// How many CPUs a list like `0-3,6` names.
pub(crate) fn count(list: &str) -> usize {
    ranges(list).map(Iterator::count).sum()
}

/// Whether a list like `0-3,6` names a CPU.
pub(crate) fn contains(list: &str, cpu: usize) -> bool {
    ranges(list).any(|range| range.contains(&cpu))
}

#[cfg(test)]
mod tests;
