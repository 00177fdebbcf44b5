//! What this process may have: cores, open files, locked memory.

use uringcast_engine::preflight;

use super::Machine;
use crate::diagnostics::check_report::{Outcome, fail, note, warn};

pub(super) fn cores(machine: &Machine) -> Outcome {
    let (cores, shards) = (machine.cores, machine.shards);
    if shards > cores {
        return warn(
            format!("{shards} shards on {cores} cores"),
            format!("Give --shards {cores}, or the process more cores (taskset, AllowedCPUs=)."),
        );
    }
    let all = preflight::cores();
    let quota =
        if cores < all { format!(" (CPU quota; {all} by affinity)") } else { String::new() };
    Ok(format!("{cores} for {shards} shards{quota}"))
}

/// The limits of `/proc/self/limits`: soft and hard; unlimited is the largest number.
fn limit(machine: &Machine, name: &str) -> Option<(u64, u64)> {
    let limits = machine.read("self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = line.split_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((words.next()??, words.next()??))
}

pub(super) fn descriptors(machine: &Machine) -> Outcome {
    let Some((soft, hard)) = limit(machine, "Max open files") else {
        return note("/proc/self/limits cannot be read", "");
    };
    let found = format!("soft {soft}, hard {hard}; the server takes the hard one");
    let (least, enough) = preflight::open_files(machine.connections, machine.shards);
    let Some(need) = too_few_files(hard, least, enough) else { return Ok(found) };
    let found = format!("{found}; {} connections need {need}", machine.connections);
    let remedy = format!(
        "LimitNOFILE={enough} in the unit's [Service], or ulimit -Hn {enough} as root, or \
         --ulimit nofile={enough} of the container"
    );
    if hard < least as u64 { fail(found, remedy) } else { warn(found, remedy) }
}

/// How many open files it takes, if `files` are too few: to start, or for a storm of handshakes.
pub(crate) fn too_few_files(files: u64, least: usize, enough: usize) -> Option<String> {
    if files < least as u64 {
        Some(format!("{least} to start at all, {enough} to be at ease"))
    } else if files < enough as u64 {
        Some(format!("{enough} to be at ease in a storm of reconnects"))
    } else {
        None
    }
}

/// Since Linux 5.12 rings count towards the memory of a control group instead, except for the
/// buffers and tables that are registered with them.
pub(super) fn memlock(machine: &Machine) -> Outcome {
    /// What a shard's ring and its buffers may be charged with.
    const NEED: u64 = 8 << 20;
    let Some((soft, _)) = limit(machine, "Max locked memory") else {
        return note("/proc/self/limits cannot be read", "");
    };
    let kib = soft >> 10;
    match soft {
        u64::MAX => Ok("unlimited".into()),
        soft if soft >= NEED => Ok(format!("{kib} KiB")),
        _ => note(
            format!("{kib} KiB, which suffices where the ring above works"),
            "If a ring is refused with \"cannot allocate memory\": LimitMEMLOCK=infinity in the \
             unit's [Service], or ulimit -l unlimited.",
        ),
    }
}
