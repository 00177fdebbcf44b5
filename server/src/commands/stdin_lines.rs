//! Standard input, line by line, read by a thread of its own: a connection must go on meanwhile.

use std::io::{BufRead, Read, stdin};
use std::thread;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::limits::{MAX_PUBLISH_BODY, STDIN_LINES};

/// A line's JSON, or what is wrong with it.
pub(super) type Line = Result<Box<RawValue>, String>;

/// Reads JSON from standard input, a value a line, until one is none. Empty lines are passed over.
pub(super) fn read_lines() -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(STDIN_LINES);
    thread::spawn(move || {
        let mut input = stdin().lock();
        for number in 1.. {
            let Some(line) = read_line(&mut input) else { return };
            let line = line.map_err(|reason| format!("line {number} {reason}"));
            let is_bad = line.is_err();
            let Some(line) = line.transpose() else { continue };
            if sender.blocking_send(line).is_err() || is_bad {
                return;
            }
        }
    });
    lines
}

/// One line: `None` at the end, `Ok(None)` for an empty one.
fn read_line(input: &mut impl BufRead) -> Option<Result<Option<Box<RawValue>>, String>> {
    let mut line = Vec::new();
    let read = input.take(MAX_PUBLISH_BODY as u64 + 1).read_until(b'\n', &mut line);
    match read {
        Ok(0) => None,
        Err(error) => Some(Err(format!("cannot be read: {error}"))),
        Ok(_) if line.len() > MAX_PUBLISH_BODY => {
            Some(Err(format!("is longer than {MAX_PUBLISH_BODY} bytes")))
        }
        Ok(_) if line.trim_ascii().is_empty() => Some(Ok(None)),
        Ok(_) => Some(parse(&line).map(Some)),
    }
}

/// Reads standard input to its end as one JSON value.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_all() -> Line {
    let mut text = Vec::new();
    let read = stdin().lock().take(MAX_PUBLISH_BODY as u64 + 1).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() > MAX_PUBLISH_BODY => {
            Err(format!("is longer than {MAX_PUBLISH_BODY} bytes"))
        }
        Ok(_) => parse(&text),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Reads one JSON value.
///
/// # Errors
/// Why it is none.
pub(super) fn parse(text: &[u8]) -> Line {
    serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))
}
