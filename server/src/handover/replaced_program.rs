//! The program's file: one that was replaced while the server runs takes over when the server is
//! told to reload.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io, thread};

use crate::systemd;

/// The kernel's link to the file that runs.
const RUNNING: &str = "/proc/self/exe";
/// What the link says behind the path of a file that is not there any more.
const DELETED: &[u8] = b" (deleted)";
/// Variables by which a service manager means one process only.
const OF_THIS_PROCESS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Starts the program that was put in the place of this one, if there is one, to take over at this
/// socket. Returns whether there is one.
pub(crate) fn start_if_replaced(socket: &Path) -> bool {
    let Some(program) = replaced() else { return false };
    systemd::reloading();
    tracing::info!(program = %program.display(), "the program was replaced: it is to take over");
    if let Err(error) = start(&program, socket) {
        tracing::error!("the new program does not start: {error}");
        serves_on(&format!("the new program does not start: {error}"));
    }
    true
}

/// Tells the service manager that the reload is over, and why it has brought nothing.
fn serves_on(why: &str) {
    systemd::ready(&format!("{why}: the old one serves on"));
}

/// Where the program is that runs, if there is another one by now.
fn replaced() -> Option<PathBuf> {
    let path = fs::read_link(RUNNING).ok()?.into_os_string().into_vec();
    let path = path.strip_suffix(DELETED).unwrap_or(&path);
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let found = identity(&path)?;
    (Some(found) != identity(RUNNING.as_ref())).then_some(path)
}

/// Starts a program as this one was started, to take over from it. It goes on when this one ends.
///
/// # Errors
/// The system's, for instance when it is no program.
fn start(program: &Path, socket: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    let mut given = std::env::args_os().skip(1);
    while let Some(argument) = given.next() {
        // Of this one's own start.
        if argument == "--take-over" {
            given.next();
        } else if !argument.as_bytes().starts_with(b"--take-over=") {
            command.arg(argument);
        }
    }
    command.arg("--take-over").arg(socket).stdin(Stdio::null());
    for variable in OF_THIS_PROCESS {
        command.env_remove(variable);
    }
    let mut child = command.spawn()?;
    // It ends before this process only if it does not take over.
    let wait = move || {
        match child.wait() {
            Ok(status) => tracing::error!("the new program has not taken over: {status}"),
            Err(error) => tracing::error!("the new program cannot be waited for: {error}"),
        }
        serves_on("the new program has not taken over");
    };
    thread::Builder::new().name("successor".into()).spawn(wait).map(drop)
}
