//! Messages over a TCP connection: four bytes of length, then JSON.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a look for a message takes at most.
const LOOK: Duration = Duration::from_millis(10);
/// A peer that takes nothing for so long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// What is read at a time.
const READ: usize = 64 * 1024;
/// Bytes of a message before both sides have proven the secret.
const MOST_OF_A_STRANGER: usize = 4 * 1024;
/// Afterwards: the last of a thread has a record for each of its channels.
pub(super) const MOST: usize = 256 << 20;

/// One connection.
#[derive(Debug)]
pub(super) struct MessageStream {
    stream: TcpStream,
    received: Vec<u8>,
    buffer: Vec<u8>,
    most: usize,
}

impl MessageStream {
    pub(super) fn new(stream: TcpStream) -> Result<Self, String> {
        let set = || {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LOOK))?;
            stream.set_write_timeout(Some(WRITE_PATIENCE))
        };
        set().map_err(|error| error.to_string())?;
        let (received, buffer) = (Vec::new(), vec![0; READ]);
        Ok(Self { stream, received, buffer, most: MOST_OF_A_STRANGER })
    }

    /// The peer has proven that it knows the secret: its messages may be large.
    pub(super) fn trust(&mut self) {
        self.most = MOST;
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<(), String> {
        let json = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        if json.len() > MOST {
            return Err(format!("a message of {} bytes, more than {MOST}", json.len()));
        }
        let length = (json.len() as u32).to_be_bytes();
        let sent = self.stream.write_all(&[&length[..], &json].concat());
        sent.map_err(|error| format!("the connection ended: {error}"))
    }

    /// A message, if one comes within [`LOOK`].
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        if let Some(message) = self.take()? {
            return Ok(Some(message));
        }
        match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err("it closed the connection".into()),
            Ok(count) => self.received.extend_from_slice(&self.buffer[..count]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(format!("the connection ended: {error}")),
            },
        }
        self.take()
    }

    /// A message, awaited for so long.
    pub(super) fn await_message<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
    ) -> Result<T, String> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(message) = self.receive()? {
                return Ok(message);
            }
        }
        Err(format!("no answer within {} s", patience.as_secs()))
    }

    /// The first message of what was received, if it is whole.
    fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let Some((length, rest)) = self.received.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.most {
            return Err(format!("a message of {length} bytes, more than {}", self.most));
        }
        let Some(json) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(json);
        let message =
            message.map_err(|error| format!("it does not speak this protocol: {error}"))?;
        self.received.drain(..size_of::<u32>() + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests;
