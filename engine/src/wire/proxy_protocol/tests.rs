use proptest::collection::vec;
use proptest::prelude::*;
use proxy_header::ParseConfig;

use super::*;
use crate::limits::MAX_PROXY_HEADER;

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 52953 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\xce\xd9\x01\xbb";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A header of version 2: command, family with transport, block.
fn version2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [&V2[..12], &[command, family], &length, block].concat()
}

/// The block of V2, its addresses and ports.
fn addresses() -> &'static [u8] {
    &V2[16..]
}

#[test]
fn both_versions_name_the_client_and_leave_the_rest() {
    for header in [V1, V2] {
        let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
        let client = Some(at("203.0.113.7:52953"));
        let named = Named { client, secure: false };
        assert_eq!(parse(&bytes), Header::Whole(header.len(), named));
    }
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Header::Whole(15, Named::default()));
    let ipv6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 80, 0, 81]].concat();
    let named = Named { client: Some(at("[2001:db8::1]:80")), secure: false };
    assert_eq!(parse(&version2(0x21, 0x21, &ipv6)), Header::Whole(16 + 36, named));
}

#[test]
fn the_family_of_a_local_header_is_ignored_and_its_length_skipped() {
    for (family, block) in [
        (0x00, &b""[..]),
        (0x11, b""),
        (0x21, addresses()),
        (0x31, b"a"),
        (0xf7, b"abc"),
        (0x11, b"\x20\0\xffcut"),
    ] {
        let header = version2(0x20, family, block);
        let bytes = [&header[..], b"GET /"].concat();
        assert_eq!(parse(&bytes), Header::Whole(header.len(), Named::default()), "{family:x}");
    }
}

#[test]
fn a_proxied_connection_of_another_family_keeps_its_own_address() {
    for family in [0x00, 0x01, 0x10, 0x20, 0x31, 0x32] {
        let header = version2(0x21, family, b"abcd");
        assert_eq!(parse(&header), Header::Whole(20, Named::default()), "{family:x}");
    }
    // Families and transports that are not defined, and blocks too short for their addresses.
    let short = &addresses()[1..];
    for (family, block) in [
        (0x41, addresses()),
        (0x13, addresses()),
        (0xf1, addresses()),
        (0x11, short),
        (0x21, addresses()),
        (0x11, b""),
    ] {
        assert_eq!(parse(&version2(0x21, family, block)), Header::Malformed, "{family:x}");
    }
}

#[test]
fn a_tlv_says_whether_the_client_came_over_tls() {
    let secure = |tlvs: &[u8]| match parse(&version2(0x21, 0x11, &[addresses(), tlvs].concat())) {
        Header::Whole(_, named) => Some(named.secure),
        _ => None,
    };
    const TLS: &[u8] = b"\x20\0\x05\x01\0\0\0\0";
    assert_eq!(secure(TLS), Some(true));
    // What comes before and behind it does not matter: here ALPN and a namespace.
    assert_eq!(secure(&[b"\x01\0\x02h2", TLS, b"\x30\0\x01a"].concat()), Some(true));
    // A client certificate without TLS is nothing; nor is an empty value.
    for plain in [&b""[..], b"\x20\0\x05\x06\0\0\0\0", b"\x20\0\0", b"\x04\0\x01\x01"] {
        assert_eq!(secure(plain), Some(false));
    }
    for cut in [&b"\x20"[..], b"\x20\0", b"\x20\0\x05\x01"] {
        assert_eq!(secure(cut), None, "a TLV that is cut off is a fault");
    }
}

#[test]
fn a_verdict_needs_no_more_bytes_than_it_must() {
    assert_eq!(parse(b"\r\n\r\nX"), Header::Malformed);
    assert_eq!(parse(&[&V2[..12], b"\x22\x11\0\0"].concat()), Header::Malformed);
    assert_eq!(parse(&[&V2[..14], b"\xff\xff"].concat()), Header::Malformed);
}

proptest! {
    /// Where the crate takes a header without TLVs, so does this parser, to the same client.
    #[test]
    fn version_2_is_read_as_the_crate_reads_it(
        command in 0x1fu8..0x23,
        family in any::<u8>(),
        common in prop_oneof![Just(0x11u8), Just(0x12), Just(0x21), Just(0x22)],
        is_common in any::<bool>(),
        block in prop_oneof![vec(any::<u8>(), 12), vec(any::<u8>(), 36), vec(any::<u8>(), 0..240)],
    ) {
        let header = version2(command, if is_common { common } else { family }, &block);
        match (ProxyHeader::parse(&header, ParseConfig::default()), parse(&header)) {
            (Ok((theirs, length)), Header::Whole(ours, named)) => {
                prop_assert_eq!(length, ours);
                prop_assert_eq!(theirs.proxied_address().map(|a| a.source), named.client);
            }
            // It does not look at TLVs, and knows fewer families than the specification.
            (Ok((theirs, _)), Header::Malformed) => {
                prop_assert!(theirs.proxied_address().is_some());
            }
            (Err(_), Header::Whole(_, named)) => prop_assert_eq!(named, Named::default()),
            (Err(_), Header::Malformed) => {}
            (theirs, ours) => prop_assert!(false, "{theirs:?}, {ours:?}"),
        }
    }
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

#[test]
fn the_scheme_is_believed_of_a_trusted_proxy_only() {
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let proxies = Proxies { trusted: trusted.into(), protocol: false };
    let secure = |peer, protocols| came_over_tls(at(peer), protocols, &proxies);
    for protocols in ["https", "HTTPS", "wss", "https, http", " https "] {
        assert!(secure("10.0.0.1:80", protocols), "{protocols}");
        assert!(!secure("192.0.2.1:80", protocols), "{protocols}");
    }
    for protocols in ["", "http", "ws", "http, https", "httpss", ",https"] {
        assert!(!secure("10.0.0.1:80", protocols), "{protocols}");
    }
}
