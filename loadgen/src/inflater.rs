//! permessage-deflate (RFC 7692) of a client that inflates what it receives and compresses nothing.

use flate2::{Decompress, FlushDecompress, Status};

/// The header line that offers it.
pub(crate) const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// What every message's deflate stream ends with, and no message carries (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Room for a message at first.
const ROOM: usize = 4096;

/// The server's messages of one connection, inflated with what came before them. Takes about 43 KB.
#[derive(Debug)]
pub(crate) struct Inflater {
    state: Decompress,
    /// The server begins anew with each message.
    anew: bool,
    plain: Vec<u8>,
    /// Bytes of a message at most.
    most: usize,
}

impl Inflater {
    /// By the server's answer to [`OFFER`]: `None` if it declines. A message has `most` bytes at
    /// most.
    ///
    /// # Errors
    /// When it answers what was not offered.
    pub(crate) fn agreed(extensions: &str, most: usize) -> Result<Option<Self>, &'static str> {
        if extensions.is_empty() {
            return Ok(None);
        }
        let mut words = extensions.split(';').map(str::trim);
        if words.next() != Some("permessage-deflate") || extensions.contains(',') {
            return Err("an extension that was not offered");
        }
        let mut anew = false;
        for word in words {
            match word.split('=').next().unwrap_or_default() {
                "server_no_context_takeover" => anew = true,
                // What the client would have to do, or a window that is smaller than ours.
                "client_no_context_takeover" | "server_max_window_bits" => {}
                _ => return Err("a parameter of permessage-deflate that was not offered"),
            }
        }
        let plain = Vec::with_capacity(ROOM);
        Ok(Some(Self { state: Decompress::new(false), anew, plain, most }))
    }

    /// The message that this payload holds.
    ///
    /// # Errors
    /// When it is no deflate stream, or too long.
    pub(crate) fn inflate(&mut self, payload: &[u8]) -> Result<&[u8], &'static str> {
        self.plain.clear();
        self.feed(payload)?;
        self.feed(&TAIL)?;
        if self.anew {
            self.state.reset(false);
        }
        Ok(&self.plain)
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<(), &'static str> {
        let Self { state, plain, most, .. } = self;
        loop {
            if plain.len() == plain.capacity() {
                if plain.len() >= *most {
                    return Err("a compressed message longer than any that was published");
                }
                plain.reserve(plain.len().max(ROOM));
            }
            let (read, written) = (state.total_in(), plain.len());
            let status = state.decompress_vec(input, plain, FlushDecompress::Sync);
            let status = status.map_err(|_| "a compressed message that cannot be inflated")?;
            let taken = (state.total_in() - read) as usize;
            input = &input[taken..];
            if status == Status::StreamEnd {
                // A last block: the next one begins a new stream.
                state.reset(false);
            }
            if input.is_empty() && plain.len() < plain.capacity() {
                return Ok(());
            }
            if taken == 0 && plain.len() == written && written < plain.capacity() {
                return Err("a compressed message that cannot be inflated");
            }
        }
    }
}

#[cfg(test)]
mod tests;
