//! The access log: one JSON line for each connection of a client, at its end. A thread of its own
//! writes it; what its queue has no room for is counted and dropped, so that no shard waits for a
//! disk.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use uringcast_engine::ConnectionEnd;

use crate::limits::{ACCESS_LOG_PATIENCE, ACCESS_LOG_QUEUE};
use crate::read_files::{check_writable, problem};
use crate::settings::Problem;

/// What names standard output in place of a file.
const STANDARD_OUTPUT: &str = "-";

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    service: &'a str,
    connection_id: String,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
    transport: &'a str,
    tls: bool,
    since: String,
    seconds: u64,
    code: u16,
    reason: &'a str,
}

/// Starts the thread, which ends with the engine that has the sender. `services` are the names in
/// the engine's order; the path `-` is standard output.
///
/// # Errors
/// A [`Problem`] with the file.
pub fn start(
    path: &Path,
    services: Vec<String>,
) -> Result<(SyncSender<ConnectionEnd>, JoinHandle<()>), Problem> {
    let fail = |error| unwritable(path, &error);
    let out: Box<dyn Write + Send> = match path.as_os_str() == STANDARD_OUTPUT {
        true => Box::new(io::stdout()),
        // In append mode a write goes to the end of a file that `copytruncate` has cut.
        false => Box::new(File::options().append(true).create(true).open(path).map_err(fail)?),
    };
    let (sender, ends) = sync_channel(ACCESS_LOG_QUEUE);
    let work = move || write_all(&ends, out, &services);
    let thread = thread::Builder::new().name("access-log".into()).spawn(work).map_err(fail)?;
    Ok((sender, thread))
}

/// Checks that the file can be written, without making it.
///
/// # Errors
/// As [`start`].
pub fn check(path: &Path) -> Result<(), Problem> {
    if path.as_os_str() == STANDARD_OUTPUT {
        return Ok(());
    }
    let written = match File::options().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_writable(path.parent().unwrap_or(path))
        }
        opened => opened.map(drop),
    };
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    let remedy = "Name a file that the server's user may write, or - for standard output.";
    problem("access_log", path, format!("cannot be written: {error}"), remedy)
}

/// Waits until the thread has written what is queued, for [`ACCESS_LOG_PATIENCE`] at most: its file
/// may be on a disk that does not answer.
pub fn finish(thread: &JoinHandle<()>) {
    let until = Instant::now() + ACCESS_LOG_PATIENCE;
    while !thread.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}

fn write_all(ends: &Receiver<ConnectionEnd>, out: impl Write, services: &[String]) {
    let mut out = BufWriter::new(out);
    let mut failed = false;
    while let Ok(end) = ends.recv() {
        let mut written = write(&end, &mut out, services);
        // Those that wait already, with the same write.
        while let Ok(end) = ends.try_recv() {
            written = written.and(write(&end, &mut out, services));
        }
        let written = written.and_then(|()| out.flush());
        if let Err(error) = &written
            && !failed
        {
            tracing::error!("access_log: lines are lost: {error}");
        }
        failed = written.is_err();
    }
}

fn write(end: &ConnectionEnd, out: &mut impl Write, services: &[String]) -> io::Result<()> {
    let time = |us: i64| {
        let time = Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH);
        // Always with microseconds, so that lines sort as texts.
        format!("{time:.6}")
    };
    let open = i64::try_from(end.open.as_micros()).unwrap_or(i64::MAX);
    let line = Line {
        time: time(end.unix_us),
        service: services.get(end.service.index()).map_or("", String::as_str),
        connection_id: end.connection_id.to_string(),
        address: end.peer.to_string(),
        user: end.user.as_deref(),
        certificate: end.certificate.as_deref(),
        transport: end.transport.label(),
        tls: end.secure,
        since: time(end.unix_us.saturating_sub(open)),
        seconds: end.open.as_secs(),
        code: end.code,
        reason: end.reason,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
