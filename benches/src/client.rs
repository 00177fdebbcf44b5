//! A blocking WebSocket client: the benchmarks' driver.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use uringcast_loadgen::frame::{Header, Opcode, write_masked};
use uringcast_loadgen::process;
use uringcast_loadgen::transport::{Tls, Transport};
use uringcast_loadgen::upgrade::Upgrade;

/// Masking protects proxies, and there are none here.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// One connection of the driver.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub transport: Transport,
    held: Vec<u8>,
    /// Bytes of the response to its upgrade, and of the welcome if it was waited for.
    pub greeting: usize,
}

impl Client {
    /// A plain connection that needs no upgrade, but waits for so many bytes.
    pub fn connect(to: SocketAddr, greeting: usize) -> io::Result<Client> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.read_exact(&mut vec![0; greeting])?;
        Ok(Client { transport: Transport::over(stream, None)?, held: Vec::new(), greeting })
    }

    /// Upgrades over a blocking socket.
    ///
    /// # Errors
    /// The socket's, and that there is no upgrade.
    pub fn upgrade(
        stream: TcpStream,
        tls: Option<&Tls>,
        host: &str,
        path: &str,
    ) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        let mut transport = Transport::over(stream, tls)?;
        let mut out = Vec::new();
        let mut upgrade = Upgrade::request(host, path, "", &mut out);
        transport.write(&mut out)?;
        let (mut buffer, mut received) = ([0; 4096], 0);
        loop {
            let read = whole(transport.read(&mut buffer)?)?;
            received += read;
            let upgraded = upgrade.receive(&buffer[..read]);
            let upgraded = upgraded.map_err(|e| io::Error::other(format!("no upgrade: {e}")));
            if let Some(held) = upgraded? {
                let greeting = received - held.len();
                return Ok(Client { transport, held, greeting });
            }
        }
    }

    /// Connects, upgrades and reads the welcome. Returns the shard too, which the id names.
    pub fn open(to: SocketAddr) -> io::Result<(Client, usize)> {
        let mut client = Client::upgrade(TcpStream::connect(to)?, None, "still", "/")?;
        client.greeting += client.frame_end()?;
        let welcome = client.message()?;
        let id = welcome["data"]["connection_id"].as_str().unwrap_or_default();
        let shard = id.get(16..18).and_then(|byte| usize::from_str_radix(byte, 16).ok());
        Ok((client, shard.ok_or(ErrorKind::InvalidData)?))
    }

    /// Bytes that were read and not yet taken.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Reads further bytes.
    pub fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        let read = whole(self.transport.read(&mut buffer)?)?;
        self.held.extend_from_slice(&buffer[..read]);
        Ok(())
    }

    /// Writes all of it to a plain connection.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transport.stream.write_all(bytes)
    }

    /// Where the payload of the first frame held begins and ends.
    fn frame(&self) -> Option<(usize, usize)> {
        let header = Header::parse(&self.held).ok()??;
        let end = header.size + header.length as usize;
        (self.held.len() >= end).then_some((header.size, end))
    }

    /// Waits for a frame; returns how long it is, header included.
    fn frame_end(&mut self) -> io::Result<usize> {
        loop {
            if let Some((_, end)) = self.frame() {
                return Ok(end);
            }
            self.fill()?;
        }
    }

    /// Waits for a message.
    pub fn message(&mut self) -> io::Result<Value> {
        self.one_frame_with(|payload| serde_json::from_slice(payload))?.map_err(io::Error::from)
    }

    fn one_frame_with<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        loop {
            if let Some((start, end)) = self.frame() {
                let taken = take(&self.held[start..end]);
                self.held.drain(..end);
                return Ok(taken);
            }
            self.fill()?;
        }
    }

    /// Waits for one frame.
    pub fn one_frame(&mut self) -> io::Result<()> {
        self.one_frame_with(|_| ())
    }

    /// Waits for at least one frame; returns how many there are.
    pub fn frames(&mut self) -> io::Result<usize> {
        self.one_frame()?;
        let mut count = 1;
        while let Some((_, end)) = self.frame() {
            self.held.drain(..end);
            count += 1;
        }
        Ok(count)
    }

    /// Waits for the only frame on its way; returns how long it is, header included.
    pub fn frame_length(&mut self) -> io::Result<usize> {
        let length = self.frame_end()?;
        self.held.clear();
        Ok(length)
    }

    /// Subscribes and waits for the confirmation.
    pub fn subscribe(&mut self, channel: &str) -> io::Result<()> {
        self.write_all(&client_text(&format!(r#"{{"type":"subscribe","room":"{channel}"}}"#)))?;
        self.one_frame()
    }

    /// Reads and drops what has arrived.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        let stream = &mut self.transport.stream;
        stream.set_nonblocking(true)?;
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        stream.set_nonblocking(false)
    }
}

/// A read of nothing is the end of the connection.
fn whole(read: usize) -> io::Result<usize> {
    if read == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}

/// Appends a masked client frame.
pub fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    write_masked(out, opcode, payload, MASK);
}

/// A client's text message as it is on the wire: masked.
pub fn client_text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame(Opcode::Text, text.as_bytes(), &mut out);
    out
}

/// A client's publish of `bytes` bytes to `channel`.
pub fn publish(channel: &str, bytes: usize) -> Vec<u8> {
    let data = format!(r#"{{"x":"{}"}}"#, "a".repeat(bytes));
    let data = format!(r#"{{"channel":"{channel}","event":"bench","data":{data}}}"#);
    client_text(&format!(r#"{{"id":"1","type":"request","event":"publish","data":{data}}}"#))
}

/// Pins this thread, and those it starts, to a core.
pub fn pin(core: usize) {
    // Without the core the ratios are less exact and no less true.
    let _ = process::pin(&[core]);
}

/// Lower quartile, median, upper quartile.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values.len() / 4, values.len() / 2, 3 * values.len() / 4].map(|at| values[at])
}
