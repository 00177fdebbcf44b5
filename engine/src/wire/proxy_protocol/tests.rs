use super::*;

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 52953 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\xce\xd9\x01\xbb";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn both_versions_name_the_client_and_leave_the_rest() {
    for header in [V1, V2] {
        let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
        let client = Some(at("203.0.113.7:52953"));
        assert_eq!(parse(&bytes), Header::Whole(header.len(), client));
    }
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Header::Whole(15, None));
    let local = [&V2[..12], b"\x20\0\0\0"].concat();
    assert_eq!(parse(&local), Header::Whole(16, None));
}

#[test]
fn a_header_in_pieces_is_waited_for() {
    for header in [V1, V2] {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Header::NeedMore, "{end}");
        }
    }
}

#[test]
fn a_missing_broken_or_endless_header_is_malformed() {
    let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'f'; 92], b"\r\n"].concat();
    let huge = [&V2[..14], b"\xff\xff", &[0; MAX_PROXY_HEADER]].concat();
    let wrong = [&V2[..12], b"\x31\x11\0\x0c", &[0; 12]].concat();
    let no_port = b"PROXY TCP4 203.0.113.7 10.0.0.1 99999 443\r\n";
    let requests: [&[u8]; 2] = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0"];
    for bytes in [&endless[..], &long, &huge, &wrong, no_port].into_iter().chain(requests) {
        assert_eq!(parse(bytes), Header::Malformed, "{bytes:?}");
    }
}

#[test]
fn the_client_is_the_rightmost_that_is_no_proxy() {
    let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
    let proxies = Proxies { trusted: trusted.into(), protocol: false };
    let client = |peer, forwarded| client(at(peer), forwarded, &proxies).to_string();
    for (peer, forwarded, expected) in [
        ("10.0.0.1:80", "203.0.113.7", "203.0.113.7:0"),
        // What stands left of it is the client's own invention.
        ("10.0.0.1:80", "1.1.1.1, 203.0.113.7 ,10.0.0.2", "203.0.113.7:0"),
        ("10.0.0.1:80", "10.0.0.3, 10.0.0.2", "10.0.0.3:0"),
        ("[::ffff:10.0.0.1]:80", "203.0.113.7:4711", "203.0.113.7:0"),
        ("[2001:db8::1]:80", "[2001:db9::7]:4711,[2001:db8::2]", "[2001:db9::7]:0"),
        // No trusted proxy vouches for it.
        ("192.0.2.1:80", "203.0.113.7", "192.0.2.1:80"),
        ("10.0.0.1:80", "", "10.0.0.1:80"),
        ("10.0.0.1:80", "203.0.113.7, unknown", "10.0.0.1:80"),
    ] {
        assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded}");
    }
}
