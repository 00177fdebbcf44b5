//! Whether a new program can take the connections of the running one over (docs/HANDOVER.md).

use uringcast_engine::preflight;

use super::Machine;
use super::kernel::release;
use crate::diagnostics::check_report::{Outcome, note};

/// The kernel that names the process at the other end of a Unix socket (`SO_PEERPIDFD`).
const OLDEST: (u32, u32) = (6, 5);
const YAMA: &str = "kernel.yama.ptrace_scope";

/// A server that cannot be taken over is restarted.
pub(super) fn hand_over(machine: &Machine) -> Outcome {
    if release(machine).is_none_or(|version| version < OLDEST) {
        let found = "an upgrade closes all connections: the kernel cannot say who takes over";
        return note(found, "Run Linux 6.5 or later.");
    }
    match machine.sysctl(YAMA).as_deref() {
        None | Some([0 | 1]) => {}
        Some([2]) => {
            return note(
                format!("{YAMA} = 2: only a process with CAP_SYS_PTRACE hands over"),
                format!("sysctl -w {YAMA}=1   # and {YAMA} = 1 in /etc/sysctl.d/ to keep it"),
            );
        }
        Some(_) => {
            return note(
                format!("{YAMA} = 3: an upgrade closes all connections, until a restart at least"),
                format!("Set {YAMA} = 1 in /etc/sysctl.d/ and restart the machine."),
            );
        }
    }
    match preflight::hand_over() {
        Ok(()) => Ok("a new program can take all connections over".into()),
        Err(error) => note(
            format!("an upgrade closes all connections: no ring is reached ({error})"),
            "Allow pidfd_getfd in the profile (systemd: SystemCallFilter=pidfd_getfd).",
        ),
    }
}
