use rustls::version::{TLS12, TLS13};

use super::*;
use crate::shard::delivery_ring::Sealed;
use crate::shard::tests::fixtures::{
    client_bytes, client_reads, handshake, handshake_of, tls_configs, tls_configs_of,
};

/// The same session in another process.
fn travel(session: &TlsSession) -> TlsSession {
    TlsSession::from_bytes(&session.to_bytes().expect("it may travel")).unwrap()
}

fn seal(session: &mut TlsSession, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + 4_096];
    let Sealed::Whole(len) = session.seal(plain, &mut out).unwrap() else { panic!("room") };
    out.truncate(len);
    out
}

fn says(client: &mut rustls::ClientConnection, plain: &[u8]) -> Vec<u8> {
    std::io::Write::write_all(&mut client.writer(), plain).unwrap();
    client_bytes(client)
}

fn reads(session: &mut TlsSession, bytes: &mut [u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    session.open(bytes, &mut plain).unwrap();
    plain
}

#[test]
fn records_and_key_updates_go_on_with_every_suite() {
    for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
        if suite.tls13().is_none() {
            continue;
        }
        let provider = rustls::crypto::CryptoProvider {
            cipher_suites: vec![*suite],
            ..rustls::crypto::aws_lc_rs::default_provider()
        };
        let configs = tls_configs_of(&TLS13, provider.into());
        let (mut session, mut client) = handshake_of(configs, usize::MAX, false);
        for round in 0..4_u8 {
            let text = [round; 300];
            let mut bytes = says(&mut client, &text);
            // Half a record before, half of it behind.
            let half = bytes.len() / 2;
            assert_eq!(reads(&mut session, &mut bytes[..half]), b"");
            session = travel(&session);
            assert_eq!(reads(&mut session, &mut bytes[half..]), text);
            let sealed = seal(&mut session, &text);
            assert_eq!(client_reads(&mut client, &sealed).unwrap(), text);
            // Both sides take new keys, ours as the answer.
            client.refresh_traffic_keys().unwrap();
            assert_eq!(reads(&mut session, &mut client_bytes(&mut client)), b"");
            session = travel(&session);
        }
        assert_eq!(reads(&mut session, &mut says(&mut client, b"end")), b"end");
        let sealed = seal(&mut session, b"end");
        assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"end");
    }
}

#[test]
fn a_close_notify_stays_seen() {
    let (mut session, mut client) = handshake(&TLS13, usize::MAX);
    client.send_close_notify();
    let mut plain = Vec::new();
    assert!(session.open(&mut client_bytes(&mut client), &mut plain).unwrap().eof);
    let mut session = travel(&session);
    assert!(!session.open(&mut [1, 2, 3], &mut plain).unwrap().eof, "nothing more is read");
    let sealed = seal(&mut session, b"last");
    assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"last");
}

#[test]
fn what_cannot_go_on_elsewhere_stays() {
    let (session, _) = handshake(&TLS12, usize::MAX);
    assert!(session.to_bytes().is_none());
    let (session, _) = handshake_of(tls_configs(&TLS13), usize::MAX, true);
    assert!(session.to_bytes().is_none());
    let (mut session, _client) = handshake(&TLS13, usize::MAX);
    assert!(session.open(&mut [0xff; 40], &mut Vec::new()).is_err());
    assert!(session.to_bytes().is_none(), "the peer broke TLS");
}

#[test]
fn other_bytes_are_no_session() {
    let (session, _) = handshake(&TLS13, usize::MAX);
    let bytes = session.to_bytes().unwrap();
    for len in 0..bytes.expose().len() {
        let cut = SecretBytes::new(&bytes.expose()[..len]);
        assert!(TlsSession::from_bytes(&cut).is_err(), "{len} bytes");
    }
    for (place, value) in [(0, 2), (7, 9), (3, 1)] {
        let mut other = bytes.expose().to_vec();
        other[place] = value;
        assert!(TlsSession::from_bytes(&SecretBytes::new(other)).is_err(), "{place}");
    }
}

#[test]
fn a_session_that_went_early_goes_on_behind_what_was_sent_since() {
    let (mut session, mut client) = handshake(&TLS13, usize::MAX);
    let early = travel(&session);
    let before = session.progress().unwrap();
    for text in [&b"one"[..], b"two", b"three"] {
        let sealed = seal(&mut session, text);
        assert_eq!(client_reads(&mut client, &sealed).unwrap(), text);
    }
    let now = session.progress().unwrap();
    assert!(now.continues(&before) && now.sent == before.sent + 3);
    let mut early = early;
    assert!(early.set_sealed(now.sent) && !early.set_sealed(before.sent), "never back");
    let sealed = seal(&mut early, b"four");
    assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"four");

    // What is received is in no number.
    let mut bytes = says(&mut client, b"five");
    let half = bytes.len() / 2;
    assert_eq!(reads(&mut session, &mut bytes[..half]), b"");
    assert!(!session.progress().unwrap().continues(&now), "half a record");
    assert_eq!(reads(&mut session, &mut bytes[half..]), b"five");
    assert!(!session.progress().unwrap().continues(&now), "a record");
    client.refresh_traffic_keys().unwrap();
    assert_eq!(reads(&mut session, &mut client_bytes(&mut client)), b"");
    assert_eq!(session.progress(), None, "an answer is to be sent first");
}
