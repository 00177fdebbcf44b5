//! A blocking WebSocket client for benchmarks that drive the engine in their own process.

use std::io::{Cursor, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tungstenite::protocol::frame::FrameHeader;

use crate::client_text;

/// One connection of the driver.
#[derive(Debug)]
pub struct Line {
    /// The socket.
    pub stream: TcpStream,
    held: Vec<u8>,
}

impl Line {
    /// A plain connection.
    ///
    /// # Errors
    /// The socket's, here and below.
    pub fn connect(to: SocketAddr) -> std::io::Result<Line> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        Ok(Line { stream, held: Vec::new() })
    }

    /// Connects, upgrades and reads the welcome. Returns the shard too, which the id tells.
    pub fn open(to: SocketAddr) -> std::io::Result<(Line, usize)> {
        let mut line = Line::connect(to)?;
        line.stream.write_all(
            b"GET / HTTP/1.1\r\nHost: still\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )?;
        while !line.held.windows(4).any(|end| end == b"\r\n\r\n") {
            line.fill()?;
        }
        let head = line.held.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(0);
        line.held.drain(..head + 4);
        let welcome = line.message()?;
        let id = welcome["data"]["connection_id"].as_str().unwrap_or_default();
        let shard = id.get(16..18).and_then(|byte| usize::from_str_radix(byte, 16).ok());
        Ok((line, shard.ok_or(ErrorKind::InvalidData)?))
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let mut buffer = [0; 16 << 10];
        let read = self.stream.read(&mut buffer)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.held.extend_from_slice(&buffer[..read]);
        Ok(())
    }

    /// The length of the first frame held, and where its payload begins.
    fn frame(&self) -> Option<(usize, usize)> {
        let mut cursor = Cursor::new(&self.held);
        let (_, len) = FrameHeader::parse(&mut cursor).ok()??;
        let start = cursor.position() as usize;
        (self.held.len() >= start + len as usize).then_some((start, start + len as usize))
    }

    /// Waits for a message.
    pub fn message(&mut self) -> std::io::Result<Value> {
        loop {
            if let Some((start, end)) = self.frame() {
                let value = serde_json::from_slice(&self.held[start..end])?;
                self.held.drain(..end);
                return Ok(value);
            }
            self.fill()?;
        }
    }

    /// Waits for at least one frame; returns how many there are.
    pub fn frames(&mut self) -> std::io::Result<usize> {
        let mut count = 0;
        loop {
            while let Some((_, end)) = self.frame() {
                self.held.drain(..end);
                count += 1;
            }
            if count > 0 {
                return Ok(count);
            }
            self.fill()?;
        }
    }

    /// Subscribes and waits for the confirmation.
    pub fn subscribe(&mut self, channel: &str) -> std::io::Result<()> {
        let text = format!(r#"{{"type":"subscribe","room":"{channel}"}}"#);
        self.stream.write_all(&client_text(&text))?;
        self.message().map(drop)
    }

    /// Waits for the only frame on its way; returns how long it is, header included.
    pub fn frame_length(&mut self) -> std::io::Result<usize> {
        while self.frame().is_none() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.held).len())
    }

    /// Waits for one frame.
    pub fn one_frame(&mut self) -> std::io::Result<()> {
        loop {
            if let Some((_, end)) = self.frame() {
                self.held.drain(..end);
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Reads and forgets what has arrived.
    pub fn drain(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        self.stream.set_nonblocking(true)?;
        while self.stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        self.stream.set_nonblocking(false)
    }
}

/// A client's publish of `bytes` bytes to `channel`.
pub fn publish(channel: &str, bytes: usize) -> Vec<u8> {
    let data = format!(r#"{{"x":"{}"}}"#, "a".repeat(bytes));
    let data = format!(r#"{{"channel":"{channel}","event":"bench","data":{data}}}"#);
    client_text(&format!(r#"{{"id":"1","type":"request","event":"publish","data":{data}}}"#))
}

/// Pins this thread, and those it starts, to a core.
pub fn pin(core: usize) {
    // Where the core is not ours to have, the ratios are less exact and no less true.
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
}

/// Lower quartile, median, upper quartile.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values.len() / 4, values.len() / 2, 3 * values.len() / 4].map(|at| values[at])
}
