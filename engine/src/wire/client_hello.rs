//! Reads a TLS client's first record before anything expensive is done for it.

/// Record and handshake types (RFC 8446 5.1, 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Extensions: a ticket of TLS 1.2 (RFC 5077 3.2), a session of TLS 1.3 (RFC 8446 4.2.11).
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;

/// Whether a client offers to resume an earlier session, which costs no signature; `None` when
/// these bytes are no whole ClientHello. Nothing is verified: it is good for a place in a queue.
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

/// A vector whose length has so many bytes (RFC 8446 3.4).
fn vector<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let length = number(take(rest, length)?);
    take(rest, length)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(length: usize, content: &[u8]) -> Vec<u8> {
        let bytes = content.len().to_be_bytes();
        [&bytes[bytes.len() - length..], content].concat()
    }

    fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let one = |(kind, content): &(u16, &[u8])| {
            [kind.to_be_bytes().to_vec(), sized(2, content)].concat()
        };
        let extensions: Vec<u8> = extensions.iter().flat_map(one).collect();
        let parts = [&[3, 3][..], &[7; 32], &sized(1, &[5; 32]), &sized(2, &[0x13, 1]), &[1, 0]];
        let body = [parts.concat(), sized(2, &extensions)].concat();
        let message = [vec![CLIENT_HELLO], sized(3, &body)].concat();
        [vec![HANDSHAKE, 3, 1], sized(2, &message)].concat()
    }

    #[test]
    fn a_session_offered_is_seen_in_the_first_record() {
        let named: (u16, &[u8]) = (0, b"localhost");
        assert_eq!(resumes(&hello(&[named, (PRE_SHARED_KEY, &[1])])), Some(true));
        assert_eq!(resumes(&hello(&[(SESSION_TICKET, &[1]), named])), Some(true));
        assert_eq!(resumes(&hello(&[(SESSION_TICKET, &[]), named])), Some(false));
        assert_eq!(resumes(&hello(&[])), Some(false));
    }

    #[test]
    fn what_is_cut_or_something_else_tells_nothing() {
        let whole = hello(&[(0, b"localhost"), (PRE_SHARED_KEY, &[1])]);
        for end in 0..whole.len() {
            assert_eq!(resumes(&whole[..end]), None, "{end}");
        }
        assert_eq!(resumes(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = hello(&[(0, b"localhost"), (PRE_SHARED_KEY, &[1])]);
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                let _ = resumes(&broken);
            }
        }
    }
}
