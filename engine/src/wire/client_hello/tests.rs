use super::*;

fn sized(length: usize, content: &[u8]) -> Vec<u8> {
    let bytes = content.len().to_be_bytes();
    [&bytes[bytes.len() - length..], content].concat()
}

fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let one =
        |(kind, content): &(u16, &[u8])| [kind.to_be_bytes().to_vec(), sized(2, content)].concat();
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
