//! Our records compared byte by byte with rustls's: the same keys, sequence numbers and contents.

use proptest::prelude::*;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::crypto::cipher::{
    InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::{ContentType, ProtocolVersion, Tls13CipherSuite};

use super::*;
use crate::shard::tls::control_records::CLOSE_NOTIFY;

fn suites() -> impl Iterator<Item = &'static Tls13CipherSuite> {
    ALL_CIPHER_SUITES.iter().filter_map(|suite| suite.tls13())
}

/// One connection: our keys, and rustls's record layer with the same.
struct Pair {
    ours: RecordLayer,
    /// Seals as the client, with the key of `ours.receive`.
    encrypter: Box<dyn MessageEncrypter>,
    /// Opens as the client, with the key of `ours.send`.
    decrypter: Box<dyn MessageDecrypter>,
}

impl Pair {
    /// `seq`: of the next record in both directions.
    fn new(suite: &'static Tls13CipherSuite, seq: u64) -> Pair {
        let provider = CryptoProvider { cipher_suites: vec![suite.into()], ..default_provider() };
        let (server, mut client) = tls_configs_of(&TLS13, Arc::new(provider));
        Arc::get_mut(&mut client).unwrap().enable_secret_extraction = true;
        let (session, client) = handshake_of((server, client), usize::MAX, false);
        let mut ours = session.into_records();
        (ours.send.seq, ours.receive.seq) = (seq, seq);
        let secrets = client.dangerous_extract_secrets().unwrap();
        let [(tx, tx_iv), (rx, rx_iv)] =
            [secrets.tx.1, secrets.rx.1].map(|secrets| match secrets {
                ConnectionTrafficSecrets::Aes128Gcm { key, iv }
                | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
                | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
                _ => panic!("no suite of TLS 1.3"),
            });
        let encrypter = suite.aead_alg.encrypter(tx, tx_iv);
        Pair { ours, encrypter, decrypter: suite.aead_alg.decrypter(rx, rx_iv) }
    }

    /// The record that rustls makes.
    fn rustls_seals(&mut self, kind: u8, plain: &[u8], seq: u64) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: ContentType::from(kind),
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(plain),
        };
        self.encrypter.encrypt(message, seq).unwrap().encode()
    }

    /// What rustls makes of a record: its type and content, `None` if it is not allowed.
    fn rustls_opens(&mut self, record: &[u8], seq: u64) -> Option<(u8, Vec<u8>)> {
        let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        let mut sealed = record[HEADER..].to_vec();
        let message = InboundOpaqueMessage::new(typ, version, &mut sealed);
        let opened = self.decrypter.decrypt(message, seq).ok()?;
        Some((opened.typ.into(), opened.payload.to_vec()))
    }
}

/// Refused by rustls when it opens a record; by us when its type is looked at.
const CHANGE_CIPHER_SPEC: u8 = 20;

/// As [`Pair::rustls_opens`], by us.
fn we_open(key: &mut DirectionKey, record: &[u8], seq: u64) -> Option<(u8, Vec<u8>)> {
    let (&head, sealed) = record.split_first_chunk().unwrap();
    key.seq = seq;
    let mut sealed = sealed.to_vec();
    let (kind, plain) = key.open(head, &mut sealed).ok()?;
    (kind != CHANGE_CIPHER_SPEC).then(|| (kind, plain.to_vec()))
}

/// The record that we make.
fn we_seal(key: &mut DirectionKey, kind: u8, plain: &[u8]) -> Vec<u8> {
    let mut record = vec![0; plain.len() + OVERHEAD];
    key.seal(kind, plain, &mut record).unwrap();
    record
}

/// Content type, content and padding: near every bound, and what no sender should make.
fn records() -> impl Strategy<Value = Vec<(u8, Vec<u8>, usize)>> {
    let kind =
        prop_oneof![Just(APPLICATION_DATA), Just(HANDSHAKE), Just(ALERT), Just(0), 1..=255_u8];
    let length = || prop_oneof![0..=64_usize, 0..=MAX_FRAGMENT, MAX_FRAGMENT - 2..=MAX_FRAGMENT];
    let content = (length(), any::<u8>()).prop_map(|(length, seed)| {
        // Some end in zeros, which are padding in a record without a type.
        (0..length).map(|at| (at as u8).wrapping_mul(31) & seed).collect()
    });
    let control = prop_oneof![
        Just((HANDSHAKE, KEY_UPDATE.to_vec(), 0)),
        Just((ALERT, CLOSE_NOTIFY.to_vec(), 0)),
    ];
    let any_record = (kind, content, prop_oneof![Just(0), length()]);
    prop::collection::vec(prop_oneof![4 => any_record, 1 => control], 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn records_are_rustls_s_byte_by_byte(
        suite in 0..3_usize,
        // rustls's sealing keys count from the first number, and the others must rise from it.
        first in prop_oneof![Just(0), Just(1 << 24), any::<u64>().prop_map(|seq| seq >> 1 << 3)],
        records in records(),
    ) {
        let mut pair = Pair::new(suites().nth(suite).unwrap(), first);
        for ((kind, plain, padding), seq) in records.into_iter().zip(first..) {
            let theirs = pair.rustls_seals(kind, &plain, seq);
            prop_assert!(we_seal(&mut pair.ours.receive, kind, &plain) == theirs, "sealed");
            let opened = we_open(&mut pair.ours.receive, &theirs, seq);
            let is_type = ![0, CHANGE_CIPHER_SPEC].contains(&kind);
            if is_type {
                prop_assert!(opened == Some((kind, plain.clone())), "theirs opened by us");
            }
            let padded = forge(&mut pair.ours.send, kind, &plain, padding);
            let opened = pair.rustls_opens(&padded, seq);
            prop_assert!(we_open(&mut pair.ours.send, &padded, seq) == opened, "both open alike");
            let is_allowed = plain.len() + padding <= MAX_FRAGMENT;
            if is_type {
                prop_assert_eq!(opened, is_allowed.then_some((kind, plain)));
            }
        }
    }
}

#[test]
fn one_flipped_bit_anywhere_is_refused_by_both() {
    for suite in suites() {
        let mut pair = Pair::new(suite, 7);
        let record = forge(&mut pair.ours.send, APPLICATION_DATA, b"a message", 3);
        for bit in 8 * HEADER..8 * record.len() {
            let mut broken = record.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(we_open(&mut pair.ours.send, &broken, 7), None, "{suite:?} {bit}");
            assert_eq!(pair.rustls_opens(&broken, 7), None, "{suite:?} {bit}");
        }
        assert!(pair.rustls_opens(&record, 7).is_some());
        assert_eq!(we_open(&mut pair.ours.send, &record, 8), None, "{suite:?}: another number");
    }
}

/// After each KeyUpdate, and our answer to it, each side opens the records of the other.
#[test]
fn keys_are_replaced_as_rustls_replaces_them() {
    for suite in suites() {
        let provider = CryptoProvider { cipher_suites: vec![suite.into()], ..default_provider() };
        let configs = tls_configs_of(&TLS13, Arc::new(provider));
        let (mut session, mut client) = handshake_of(configs, usize::MAX, false);
        for _ in 0..4 {
            client.refresh_traffic_keys().unwrap();
            let said = says(&mut client, b"with new keys");
            assert_eq!(opens(&mut session, said), (b"with new keys".to_vec(), true), "{suite:?}");
            let answer = seal(&mut session, b"so have we");
            assert_eq!(client_reads(&mut client, &answer).unwrap(), b"so have we", "{suite:?}");
        }
        client_reads(&mut client, &session.seal_close()).unwrap();
        assert!(std::io::Read::read(&mut client.reader(), &mut [0]).is_ok_and(|read| read == 0));
    }
}
