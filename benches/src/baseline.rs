//! What the kernel baselines share: how they upgrade a client, and the frames they read from it.

use std::io::{self, ErrorKind, Read, Write};

use tungstenite::handshake::derive_accept_key;
use uringcast_loadgen::frame::{Header, Opcode, apply_mask};

/// Reads the request and upgrades. Returns the path.
///
/// # Errors
/// The socket's; `InvalidData` when it is no upgrade request.
pub fn upgrade(stream: &mut (impl Read + Write)) -> io::Result<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 || request.len() > 16 << 10 {
            return Err(ErrorKind::InvalidData.into());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.ok_or(ErrorKind::InvalidData)?.trim().as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    stream.flush()?;
    Ok(request.split(' ').nth(1).unwrap_or("/").to_owned())
}

/// The messages in a client's byte stream.
#[derive(Debug, Default)]
pub struct ClientMessages {
    held: Vec<u8>,
}

impl ClientMessages {
    /// Takes further bytes and hands every whole message, unmasked, to `each`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Opcode, &[u8])) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(Some(header)) = Header::parse(&self.held[at..]) {
            let Header { opcode, size, length, mask, .. } = header;
            let end = at + size + length as usize;
            let Some(payload) = self.held.get_mut(at + size..end) else { break };
            apply_mask(payload, mask.unwrap_or_default());
            if matches!(opcode, Opcode::Text | Opcode::Binary) {
                each(opcode, payload);
            }
            at = end;
        }
        self.held.drain(..at);
    }
}
