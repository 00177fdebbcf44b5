//! The kernel: its version, what it allows, what it can do.

use uringcast_engine::preflight;

use super::Machine;
use crate::diagnostics::check_report::{Outcome, fail, failure, note, warn};

const RELEASE: &str = "sys/kernel/osrelease";
/// Below, parts of io_uring are missing that every shard needs.
const OLDEST: (u32, u32) = (6, 0);
/// From here on it is tested.
const TESTED: (u32, u32) = (6, 1);

pub(super) fn version(machine: &Machine) -> Outcome {
    let release = machine.read(RELEASE).unwrap_or_default();
    let Some(version) = numbers(&release) else {
        return warn(format!("{release:?} is no release of Linux"), "Run Linux 6.1 or later.");
    };
    match version {
        version if version < OLDEST => {
            fail(format!("Linux {release}"), "Run Linux 6.1 or later: 6.0 is the least.")
        }
        version if version < TESTED => {
            warn(format!("Linux {release}, which is not tested"), "Run Linux 6.1 or later.")
        }
        _ => Ok(format!("Linux {release}")),
    }
}

/// The kernel's release, as far as it is understood.
pub(super) fn release(machine: &Machine) -> Option<(u32, u32)> {
    numbers(&machine.read(RELEASE)?)
}

fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>());
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(super) fn disabled(machine: &Machine) -> Outcome {
    const NAME: &str = "kernel.io_uring_disabled";
    let remedy = format!(
        "sysctl -w {NAME}=0   # and {NAME} = 0 in /etc/sysctl.d/ to keep it\n\
         or, with 1: put the server's user into the group of kernel.io_uring_group"
    );
    match machine.sysctl(NAME).as_deref() {
        None => Ok(format!("this kernel has no {NAME}")),
        Some([0]) => Ok(format!("{NAME} = 0")),
        Some([1]) => warn(format!("{NAME} = 1: only root and one group may make rings"), remedy),
        Some(other) => fail(format!("{NAME} = {other:?}: nobody may make rings"), remedy),
    }
}

/// Reports only that there is a filter: the check of the ring shows whether it forbids io_uring.
pub(super) fn seccomp(machine: &Machine) -> Outcome {
    let status = machine.read("self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    match mode.map(str::trim) {
        Some("0") | None => Ok("no filter".into()),
        Some(_) => note(
            "a filter is on, as containers have it",
            "If io_uring fails: allow io_uring_setup, io_uring_enter and io_uring_register in the \
             profile (Docker: --security-opt seccomp=PROFILE.json).",
        ),
    }
}

/// Makes a shard's ring and uses it.
pub(crate) fn io_uring(connections: usize, shards: usize) -> Outcome {
    preflight::ring(connections, shards).map_err(|error| {
        let text = error.to_string();
        let (found, remedy) = text.split_once(". ").unwrap_or((&text, "See descriptors."));
        failure(found, remedy)
    })?;
    Ok(format!("a ring for {connections} connections on {shards} shards works"))
}

pub(super) fn operations() -> Outcome {
    match preflight::missing_operations() {
        Ok(missing) if missing.is_empty() => Ok("the kernel has them all".into()),
        Ok(missing) => {
            let missing = missing.join(", ");
            fail(format!("the kernel lacks {missing}"), "Run Linux 6.1 or later.")
        }
        Err(error) => note(format!("cannot be asked: {error}"), ""),
    }
}

/// Whether the kernel takes over TLS connections. Without it user space does the same.
pub(crate) fn kernel_tls() -> Outcome {
    match preflight::kernel_tls() {
        Ok(()) => Ok("the kernel takes over TLS connections".into()),
        Err(error) => note(
            format!("none ({error}): TLS is done in user space"),
            "modprobe tls   # if large messages over TLS are to cost less; \
             and tls in /etc/modules-load.d/",
        ),
    }
}
