//! Kernel settings of a tool's own process: CPUs and open files.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// Keeps the calling thread, and those it starts, on these CPUs.
///
/// # Errors
/// When none of the CPUs can be used.
pub fn pin(cpus: &[usize]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// Raises the limit of open files to the hard one and returns what it is then. Child processes
/// inherit it.
///
/// # Errors
/// When the limit cannot be read.
pub fn raise_file_limit() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard))
}
