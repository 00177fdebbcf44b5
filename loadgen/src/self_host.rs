//! `--self-host`: the server as a child process of this one.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::OperatorError;

const SERVER: &str = "uringcast-server";
/// First argument of the hidden mode that becomes the server.
const BECOME: &str = "__become-server";
const START: Duration = Duration::from_secs(20);
/// The server drains for 10 s at most by itself.
const EXIT: Duration = Duration::from_secs(15);
/// Between closing its standard output and being gone.
const LAST_MOMENT: Duration = Duration::from_secs(5);
/// Room for the publishers.
const SPARE_CONNECTIONS: u32 = 100;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct SelfHost {
    child: Child,
    pub(crate) ready: Ready,
    /// Holds the certificate and its key as long as the server runs.
    _directory: tempfile::TempDir,
}

/// What the server prints when it listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) url: String,
    pub(crate) control: String,
    pub(crate) certificate: Option<PathBuf>,
}

impl Ready {
    /// From `listening URL control URL metrics URL [cert PATH]`.
    fn parse(line: &str) -> Option<Self> {
        let (pairs, certificate) = match line.split_once(" cert ") {
            Some((pairs, path)) => (pairs, Some(PathBuf::from(path))),
            None => (line, None),
        };
        let words: Vec<&str> = pairs.split_whitespace().collect();
        let after = |name: &str| {
            let place = words.iter().position(|word| *word == name)?;
            words.get(place + 1).map(|url| (*url).to_owned())
        };
        (words.first() == Some(&"listening")).then_some(())?;
        Some(Self { url: after("listening")?, control: after("control")?, certificate })
    }
}

/// The server's program: beside this one; under cargo it is brought up to date first.
///
/// # Errors
/// When there is none.
pub(crate) fn find_server() -> Result<PathBuf, OperatorError> {
    let missing = |why: String| {
        let remedy = "build it with `cargo build --release --bin uringcast-server`, or use --url";
        OperatorError(format!("--self-host: {why}; {remedy}"))
    };
    let own = std::env::current_exe().map_err(|error| missing(error.to_string()))?;
    let server = own.with_file_name(SERVER);
    // Run by cargo, the server is brought up to date first, or an old one would be measured.
    let profile = own.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = profile.filter(|name| matches!(*name, "debug" | "release"));
    let (Some(cargo), Some(profile)) = (std::env::var_os("CARGO"), profile) else {
        let missing = || missing(format!("there is no {}", server.display()));
        return if server.is_file() { Ok(server) } else { Err(missing()) };
    };
    let mut build = Command::new(cargo);
    build.args(["build", "--bin", SERVER]).stdin(Stdio::null());
    if profile == "release" {
        build.arg("--release");
    }
    let status = build.status().map_err(|error| missing(format!("cargo: {error}")))?;
    if status.success() && server.is_file() {
        Ok(server)
    } else {
        Err(missing(format!("cargo build made no {}", server.display())))
    }
}

impl SelfHost {
    /// Starts the server on free loopback ports and waits until it listens.
    ///
    /// # Errors
    /// When it ends or does not listen in time; its log is on standard error.
    pub(crate) fn start(server: &Path, tls: bool, connections: u32) -> Result<Self, OperatorError> {
        let bad =
            |what: String| OperatorError(format!("--self-host: {}: {what}", server.display()));
        let directory = tempfile::tempdir().map_err(|error| bad(error.to_string()))?;
        let own = std::env::current_exe().map_err(|error| bad(error.to_string()))?;
        let limit = connections.saturating_add(SPARE_CONNECTIONS).to_string();
        let mut command = Command::new(own);
        command
            .args([BECOME, &std::process::id().to_string()])
            .arg(server)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(["--control-port", "0", "--metrics-port", "0"])
            .args([
                "--drain-spread",
                "0",
                "--anonymous-publish",
                "--message-rate",
                "0",
                "--max-connections",
                &limit,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C reaches only this process, which ends the run and then the server.
            .process_group(0);
        if tls {
            command.args(["--tls-enabled", "--auto-cert", "--cert-dir"]).arg(directory.path());
        }
        let mut child = command.spawn().map_err(|error| bad(error.to_string()))?;
        let output = child.stdout.take();
        let mut host = Self { child, ready: Ready::default(), _directory: directory };
        let (sender, lines) = channel();
        // Reads to the end, so that the server never writes into a closed pipe.
        std::thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                let Ok(line) = line else { return };
                let _ = Ready::parse(&line).map(|ready| sender.send(ready));
            }
        });
        host.ready = lines.recv_timeout(START).map_err(|error| {
            // Standard output closes a moment before the process is gone.
            let closed = error == RecvTimeoutError::Disconnected;
            match host.ended(if closed { LAST_MOMENT } else { Duration::ZERO }) {
                Some(status) => bad(format!("ended before it listened, {status}; see above")),
                None => bad(format!("did not say `listening …` within {} s", START.as_secs())),
            }
        })?;
        Ok(host)
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When the server does not end in time, or not with success.
    pub(crate) fn stop(mut self) -> Result<(), OperatorError> {
        let bad = |what: String| OperatorError(format!("--self-host: the server {what}"));
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, Signal::SIGTERM).map_err(|error| bad(format!("took no SIGTERM: {error}")))?;
        match self.ended(EXIT) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(bad(format!("ended with {status}"))),
            None => Err(bad(format!("did not end within {} s of SIGTERM", EXIT.as_secs()))),
        }
    }

    /// How the server ended, if it does within this time.
    fn ended(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) if begun.elapsed() < timeout => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                ended => return ended.ok().flatten(),
            }
        }
    }
}

impl Drop for SelfHost {
    fn drop(&mut self) {
        // Both do nothing to a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// If the arguments request it, replaces this process by the server (exec). Before, it asks the
/// kernel to kill the process when its parent ends; this survives the exec. Returns only if nothing
/// was requested, or with an error.
pub(crate) fn become_server() -> Result<(), OperatorError> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != BECOME) {
        return Ok(());
    }
    let parent = args.next().unwrap_or_default();
    let bad = |what: String| OperatorError(format!("{BECOME}: {what}"));
    let server = args.next().ok_or_else(|| bad("no server named".into()))?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| bad(error.to_string()))?;
    if *parent != *parent_id().to_string() {
        return Err(bad("the parent is gone already".into()));
    }
    let error = Command::new(&server).args(args).exec();
    Err(bad(format!("{}: {error}", server.display())))
}

#[cfg(test)]
mod tests;
