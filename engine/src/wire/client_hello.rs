//! Reads a TLS client's first record before anything expensive is done for it.

/// Record and handshake types (RFC 8446 5.1, 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Extensions: a ticket of TLS 1.2 (RFC 5077 3.2), a session of TLS 1.3 (RFC 8446 4.2.11).
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;

/// Whether a client offers to resume an earlier session, which costs no signature; `None` when
/// these bytes are no whole ClientHello. Nothing is verified: the result only decides the place in
/// a queue.
pub fn resumes(record: &[u8]) -> Option<bool> {
    let mut rest = record;
    let &[kind, _, _] = take(&mut rest, 3)? else { return None };
    let mut fragment = vector(&mut rest, 2)?;
    if kind != HANDSHAKE || take(&mut fragment, 1)? != [CLIENT_HELLO] {
        return None;
    }
    let mut hello = vector(&mut fragment, 3)?;
    take(&mut hello, 2 + 32)?; // Version, random.
    vector(&mut hello, 1)?; // Session id.
    vector(&mut hello, 2)?; // Cipher suites.
    vector(&mut hello, 1)?; // Compression.
    if hello.is_empty() {
        return Some(false);
    }
    let mut extensions = vector(&mut hello, 2)?;
    while !extensions.is_empty() {
        let kind = number(take(&mut extensions, 2)?);
        let content = vector(&mut extensions, 2)?;
        let offers = match u16::try_from(kind) {
            Ok(PRE_SHARED_KEY) => true,
            Ok(SESSION_TICKET) => !content.is_empty(),
            _ => false,
        };
        if offers {
            return Some(true);
        }
    }
    Some(false)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    rest.split_off(..length)
}

/// A vector with a length field of so many bytes (RFC 8446 3.4).
fn vector<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let length = number(take(rest, length)?);
    take(rest, length)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests;
