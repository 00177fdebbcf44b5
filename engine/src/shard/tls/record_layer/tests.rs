mod against_rustls;

use std::sync::Arc;

use rustls::ClientConnection;
use rustls::version::TLS13;

use super::*;
use crate::shard::tests::fixtures::{
    client_bytes, client_reads, handshake, handshake_of, tls_configs_of,
};
use crate::shard::tls::TlsSession;

fn seal(session: &mut TlsSession, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + 4_096];
    let Sealed::Whole(len) = session.seal(plain, &mut out).unwrap() else {
        panic!("there is room");
    };
    out.truncate(len);
    out
}

fn says(client: &mut ClientConnection, plain: &[u8]) -> Vec<u8> {
    std::io::Write::write_all(&mut client.writer(), plain).unwrap();
    client_bytes(client)
}

/// A session, and a peer that can seal any record.
fn with_a_forger() -> (TlsSession, DirectionKey) {
    let (session, forger, _) = forged(false);
    assert!(session.is_own());
    (session, forger)
}

/// A session (`keeps`: with rustls's records), and both directions of its peer.
fn forged(keeps: bool) -> (TlsSession, DirectionKey, DirectionKey) {
    let (server, mut client) = crate::shard::tests::fixtures::tls_configs(&TLS13);
    Arc::get_mut(&mut client).unwrap().enable_secret_extraction = true;
    let (session, client) = handshake_of((server, client), usize::MAX, keeps);
    let secrets = client.dangerous_extract_secrets().unwrap();
    (session, DirectionKey::new(secrets.tx).unwrap(), DirectionKey::new(secrets.rx).unwrap())
}

/// A record of this type, plaintext and padding.
fn forge(forger: &mut DirectionKey, kind: u8, plain: &[u8], padding: usize) -> Vec<u8> {
    let mut inner = plain.to_vec();
    inner.push(kind);
    inner.resize(inner.len() + padding, 0);
    let [high, low] = ((inner.len() + TAG) as u16).to_be_bytes();
    let head = [APPLICATION_DATA, 3, 3, high, low];
    let nonce = forger.nonce();
    forger.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).unwrap();
    [&head[..], &inner].concat()
}

/// What the session reads from bytes: plaintext, and whether it is still open.
fn opens(session: &mut TlsSession, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    let went_on = session.open(&mut bytes, &mut plain).is_ok();
    (plain, went_on)
}

#[test]
fn every_suite_crosses_both_ways() {
    for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
        if suite.tls13().is_none() {
            continue;
        }
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites = vec![*suite];
        let configs = tls_configs_of(&TLS13, Arc::new(provider));
        let (mut session, mut client) = handshake_of(configs, usize::MAX, false);
        assert!(session.is_own(), "{suite:?}");
        for length in [1, MAX_FRAGMENT, MAX_FRAGMENT + 1, 100_000] {
            let plain = vec![7; length];
            client.set_buffer_limit(None);
            let sealed = seal(&mut session, &plain);
            assert!(client_reads(&mut client, &sealed).unwrap() == plain, "{suite:?}");
            let said = says(&mut client, &plain);
            assert!(opens(&mut session, said) == (plain, true), "{suite:?}");
        }
    }
}

#[test]
fn a_new_key_of_ours_is_said_and_followed() {
    let (session, mut client) = handshake(&TLS13, usize::MAX);
    let mut records = session.into_records();
    for round in 0..3 {
        let mut bytes = Vec::new();
        records.rekey(&mut bytes).unwrap();
        let start = bytes.len();
        bytes.resize(start + 100, 0);
        let Sealed::Whole(len) = records.seal(b"new", &mut bytes[start..]).unwrap() else {
            panic!("there is room");
        };
        bytes.truncate(start + len);
        assert_eq!(client_reads(&mut client, &bytes).unwrap(), b"new", "round {round}");
    }
    assert!(!records.needs_rekey(), "the count begins anew");
}

#[test]
fn many_requests_for_a_new_key_get_one_answer_until_something_is_sent() {
    let (mut session, mut forger) = with_a_forger();
    let mut asks = KEY_UPDATE;
    asks[4] = 1;
    // The forger does not replace its own key, so only the first one can be read.
    let first = forge(&mut forger, HANDSHAKE, &asks, 0);
    assert_eq!(opens(&mut session, first), (vec![], true));
    assert_eq!(session.take_pending().len(), KEY_UPDATE.len() + OVERHEAD);

    let (mut session, mut client) = handshake(&TLS13, usize::MAX);
    let _ = client_bytes(&mut client);
    for _ in 0..3 {
        client.refresh_traffic_keys().unwrap();
        let asked = client_bytes(&mut client);
        assert_eq!(opens(&mut session, asked), (vec![], true));
    }
    let answer = seal(&mut session, b"x");
    assert_eq!(answer.len(), 2 * OVERHEAD + KEY_UPDATE.len() + 1);
    assert_eq!(client_reads(&mut client, &answer).unwrap(), b"x");
}

#[test]
fn padding_and_empty_records_are_taken() {
    let (mut session, mut forger) = with_a_forger();
    let mut bytes = forge(&mut forger, APPLICATION_DATA, b"one", 100);
    bytes.extend(forge(&mut forger, APPLICATION_DATA, b"", 0));
    bytes.extend(forge(&mut forger, APPLICATION_DATA, &[7; MAX_FRAGMENT], 0));
    bytes.extend(forge(&mut forger, APPLICATION_DATA, b"two", MAX_FRAGMENT - 3));
    let (plain, went_on) = opens(&mut session, bytes);
    assert!(went_on);
    assert!(plain == [&b"one"[..], &[7; MAX_FRAGMENT], b"two"].concat());
}

#[test]
fn what_is_not_allowed_is_a_fault_with_an_alert() {
    let ask_twice = [KEY_UPDATE, KEY_UPDATE].concat();
    let long = vec![7; MAX_FRAGMENT + 1];
    let (unexpected, overflow, illegal) = (UNEXPECTED_MESSAGE, RECORD_OVERFLOW, [2, 47]);
    let cases: [(&str, u8, &[u8], usize, Alert); 10] = [
        ("no type", 0, b"", 5, unexpected),
        ("unknown type", 99, b"x", 0, unexpected),
        ("change_cipher_spec", 20, &[1], 0, unexpected),
        ("too long", APPLICATION_DATA, &long, 0, overflow),
        ("too long by its padding", APPLICATION_DATA, b"x", MAX_FRAGMENT, overflow),
        ("an empty alert", ALERT, b"", 0, unexpected),
        ("two KeyUpdates in one record", HANDSHAKE, &ask_twice, 0, unexpected),
        ("a KeyUpdate of another length", HANDSHAKE, &[24, 0, 0, 2, 0, 0], 0, unexpected),
        ("a KeyUpdate that asks for something else", HANDSHAKE, &[24, 0, 0, 1, 2], 0, illegal),
        ("a ClientHello", HANDSHAKE, &[1, 0, 0, 0], 0, unexpected),
    ];
    for (name, kind, plain, padding, alert) in cases {
        let (mut session, mut forger, mut reader) = forged(false);
        let mut bytes = forge(&mut forger, APPLICATION_DATA, b"good", 0);
        bytes.extend(forge(&mut forger, kind, plain, padding));
        let (plain, went_on) = opens(&mut session, bytes);
        assert!(!went_on, "{name}");
        assert_eq!(plain, b"good", "{name}: what came before counts");
        let mut said = session.seal_close();
        let (&mut head, text) = said.split_first_chunk_mut().unwrap();
        let Ok(opened) = reader.open(head, text) else { panic!("{name}: not sealed") };
        assert_eq!(opened, (ALERT, &alert[..]), "{name}");
        assert!(session.seal(b"more", &mut [0; 512]).is_err(), "{name}");
    }
}

#[test]
fn records_that_are_not_sealed_or_too_long_are_refused_by_their_header() {
    for header in [[20, 3, 3, 0, 1], [21, 3, 3, 0, 2], [22, 3, 3, 0, 5], [23, 3, 3, 0xff, 0xff]] {
        let (mut session, _) = with_a_forger();
        let (_, went_on) = opens(&mut session, header.to_vec());
        assert!(!went_on, "{header:?}");
    }
}

#[test]
fn type_and_version_of_a_sealed_record_are_authenticated() {
    for place in 0..3 {
        let (mut session, mut forger) = with_a_forger();
        let mut bytes = forge(&mut forger, APPLICATION_DATA, b"x", 0);
        bytes[place] ^= 1;
        assert_eq!(opens(&mut session, bytes), (vec![], false), "byte {place}");
    }
}

#[test]
fn close_notify_has_any_level() {
    for level in [0, 1, 2, 3, 255] {
        let (mut session, mut forger) = with_a_forger();
        let mut bytes = forge(&mut forger, ALERT, &[level, 0], 0);
        assert!(session.open(&mut bytes, &mut Vec::new()).unwrap().eof, "level {level}");
    }
}

#[test]
fn a_fatal_alert_is_a_fault_that_is_not_answered() {
    let (mut session, mut forger) = with_a_forger();
    let bytes = forge(&mut forger, ALERT, &BAD_RECORD_MAC, 0);
    assert!(!opens(&mut session, bytes).1);
    assert!(session.seal_close().is_empty());
}

#[test]
fn records_without_data_are_a_fault_if_there_are_no_others() {
    for (kind, content) in [(ALERT, &[1, 90][..]), (APPLICATION_DATA, b"")] {
        let (mut session, mut forger) = with_a_forger();
        let mut says = |kind: u8, content: &[u8]| {
            let bytes = forge(&mut forger, kind, content, 0);
            opens(&mut session, bytes).1
        };
        for _ in 0..2 {
            assert!((0..MAX_CONTROL_RECORDS).all(|_| says(kind, content)), "so many may be");
            assert!(says(APPLICATION_DATA, b"x"), "and as many again behind data");
        }
        assert!((0..MAX_CONTROL_RECORDS).all(|_| says(kind, content)));
        assert!(!says(kind, content), "one more is too many: {kind}");
    }
}

#[test]
fn one_receive_may_not_hold_more_records_without_data_than_a_peer_may_send() {
    for (several, went_on) in [(MAX_CONTROL_RECORDS, true), (MAX_CONTROL_RECORDS + 1, false)] {
        let (mut session, mut forger) = with_a_forger();
        let mut bytes = Vec::new();
        for _ in 0..several {
            bytes.extend(forge(&mut forger, ALERT, &[1, 90], 0));
            bytes.extend(forge(&mut forger, APPLICATION_DATA, b"x", 0));
        }
        assert_eq!(opens(&mut session, bytes).1, went_on, "{several}");
    }
}

#[test]
fn half_a_message_that_rustls_waits_with_does_not_disturb_what_is_sent() {
    let (mut session, mut forger, mut reader) = forged(true);
    assert!(!session.is_own());
    let (begun, rest) = KEY_UPDATE.split_at(2);
    let mut bytes = forge(&mut forger, APPLICATION_DATA, b"before", 0);
    bytes.extend(forge(&mut forger, HANDSHAKE, begun, 0));
    assert_eq!(opens(&mut session, bytes), (b"before".to_vec(), true));
    for round in 0..3 {
        let mut sealed = seal(&mut session, b"between");
        let (&mut head, text) = sealed.split_first_chunk_mut().unwrap();
        let Ok(opened) = reader.open(head, text) else { panic!("round {round}: another key") };
        assert_eq!(opened, (APPLICATION_DATA, &b"between"[..]), "round {round}");
    }
    let rest = forge(&mut forger, HANDSHAKE, rest, 0);
    assert_eq!(opens(&mut session, rest), (vec![], true), "the message is whole");
    let stale = forge(&mut forger, APPLICATION_DATA, b"with the former key", 0);
    assert_eq!(opens(&mut session, stale), (vec![], false), "and was followed");
    assert!(!session.seal_close().is_empty());
}
