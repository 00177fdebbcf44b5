//! Bodies of the fuzz targets of the record layer: see [`crate::tests::fuzz_bodies`].

use std::io::{Read, Write};

use rustls::ClientConnection;

use super::fuzz_forger::{Forger, client, connect_forger, session};
use crate::shard::delivery_ring::Sealed;
use crate::shard::tls::control_records::{ALERT, APPLICATION_DATA, HANDSHAKE, KEY_UPDATE};
use crate::shard::tls::{Opened, TlsError, TlsSession};
use crate::tests::fuzz_bodies::Input;

/// Steps of one input: fewer than the KeyUpdates that rustls accepts in a row.
const MAX_STEPS: usize = 30;
/// Warnings that rustls accepts; our record layer accepts more.
const MAX_WARNINGS: usize = 4;
/// Level and description of the only alert of TLS 1.3 that ends nothing.
const USER_CANCELED: [u8; 2] = [1, 90];
/// More than any record has.
const RECORD: usize = 19 << 10;
/// Type and version in a record's header, which rustls does not authenticate.
const CONSTANT_HEADER: usize = 3;

/// Our records beside rustls's, with the same keys: whatever the peer sends, both open it to the
/// same bytes and end at the same place, and whatever they send is equal byte by byte.
///
/// Input: the suite, then steps, each a kind and its numbers.
pub fn record_layer(data: &[u8]) {
    let mut input = Input(data);
    let suite = input.byte();
    let mut pair = Pair::new(suite);
    for _ in 0..MAX_STEPS {
        if input.0.is_empty() {
            break;
        }
        pair.step(&mut input);
    }
    pair.deliver(usize::MAX);
    pair.close();
}

/// Two sessions of one peer.
struct Pair {
    own: TlsSession,
    reference: TlsSession,
    forger: Forger,
    /// What the peer has sent and neither session has read.
    wire: Vec<u8>,
    warnings: usize,
    /// The peer has sent an empty handshake record or a part of a message. RFC 8446, 5.4 forbids
    /// the first, and our record layer refuses both; rustls reads on.
    is_cut: bool,
    failed: bool,
}

impl Pair {
    fn new(suite: u8) -> Pair {
        let (mut own, mut reference) = (session(suite, false), session(suite, true));
        let forger = connect_forger(suite, &mut own);
        connect_forger(suite, &mut reference);
        #[cfg(test)]
        assert!(own.is_own() && !reference.is_own());
        let wire = Vec::new();
        Pair { own, reference, forger, wire, warnings: 0, is_cut: false, failed: false }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0 => {
                let (padding, length) = (input.byte(), input.byte());
                self.send(APPLICATION_DATA, input.bytes(length.into()), padding.into());
            }
            1 => {
                let (length, padding) = (input.number() % (17 << 10), input.number() % (17 << 10));
                self.send(APPLICATION_DATA, &vec![7; length], padding);
            }
            2 => {
                let (kind, length) = (input.byte(), input.byte() % 16);
                self.send(kind, input.bytes(length.into()), 0);
            }
            3 => {
                let mut message = KEY_UPDATE;
                message[4] = input.byte() % 2;
                self.send(HANDSHAKE, &message, 0);
                self.forger.renew();
            }
            4 => {
                let length = input.byte();
                self.wire.extend_from_slice(input.bytes(length.into()));
            }
            5 => {
                let (place, bit) = (input.number(), input.byte() % 8);
                let start = self.wire.len() + CONSTANT_HEADER;
                self.send(APPLICATION_DATA, b"broken", 0);
                let place = start + place % (self.wire.len() - start);
                self.wire[place] ^= 1 << bit;
            }
            // Not empty: rustls sends its answer to a KeyUpdate with data only.
            6 => self.seal(input.number().max(1)),
            _ => self.deliver(input.number()),
        }
    }

    fn send(&mut self, kind: u8, plain: &[u8], padding: usize) {
        match content(kind, plain) {
            (ALERT, alert) if alert == USER_CANCELED => {
                self.warnings += 1;
                if self.warnings > MAX_WARNINGS {
                    return;
                }
            }
            // RFC 8446, 6 lets a reader ignore the level; rustls refuses an unknown one.
            (ALERT, [0 | 3.., 0]) => return,
            (HANDSHAKE, message) => {
                let is_whole =
                    message.len() == KEY_UPDATE.len() && message[1..4] == KEY_UPDATE[1..4];
                self.is_cut |= !is_whole;
            }
            _ => {}
        }
        self.wire.extend(self.forger.seal(kind, plain, padding));
    }

    /// Gives both sessions the next bytes of the peer.
    fn deliver(&mut self, count: usize) {
        let bytes: Vec<u8> = self.wire.drain(..count.min(self.wire.len())).collect();
        if self.failed {
            return;
        }
        let (opened, plain) = open(&mut self.own, &bytes);
        let (expected, reference) = open(&mut self.reference, &bytes);
        self.failed = opened.is_err() || expected.is_err();
        if self.is_cut && opened.is_err() {
            assert!(reference.starts_with(&plain), "both read the same up to the fault");
            return;
        }
        assert_eq!(plain, reference, "both read the same");
        // A fault in a header may be refused at once, or when the record is whole.
        let late = match (opened, expected) {
            (Ok(opened), Ok(expected)) => {
                // rustls does not say how many records had no data.
                let controls = opened.controls;
                return assert_eq!(opened, Opened { controls, ..expected });
            }
            (Err(_), Err(_)) => return,
            (Err(_), Ok(_)) => &mut self.reference,
            (Ok(_), Err(_)) => &mut self.own,
        };
        self.wire.resize(self.wire.len() + RECORD, 0);
        let (rest, plain) = open(late, &self.wire);
        assert!(rest.is_err() && plain.is_empty(), "both refuse the same record");
    }

    fn seal(&mut self, length: usize) {
        let plain = vec![7; length];
        let (mut room, mut reference) = (vec![0; length + 1_024], vec![0; length + 1_024]);
        let sealed = self.own.seal(&plain, &mut room);
        if self.failed {
            assert!(sealed.is_err(), "nothing is sent to a peer that broke TLS");
            return;
        }
        let expected = self.reference.seal(&plain, &mut reference);
        let (Ok(Sealed::Whole(length)), Ok(Sealed::Whole(expected))) = (sealed, expected) else {
            panic!("there is room");
        };
        assert!(room[..length] == reference[..expected], "both write the same");
    }

    fn close(&mut self) {
        let (last, expected) = (self.own.seal_close(), self.reference.seal_close());
        assert!(self.failed || last == expected, "both say close_notify alike");
    }
}

/// Type and content of a record that is sealed with this type: a type of zero is padding.
fn content(kind: u8, plain: &[u8]) -> (u8, &[u8]) {
    match plain.iter().rposition(|byte| *byte != 0) {
        _ if kind != 0 => (kind, plain),
        Some(end) => (plain[end], &plain[..end]),
        None => (kind, &[]),
    }
}

fn open(session: &mut TlsSession, bytes: &[u8]) -> (Result<Opened, TlsError>, Vec<u8>) {
    let mut plain = Vec::new();
    let opened = session.open(&mut bytes.to_vec(), &mut plain);
    (opened, plain)
}

/// Our records against a client of rustls: what one seals the other opens, in any order and cut
/// anywhere, also after new keys.
///
/// Input: the suite, then steps, each a kind and a number.
pub fn record_exchange(data: &[u8]) {
    let mut input = Input(data);
    let suite = input.byte();
    let (mut session, mut client) = (session(suite, false), client(suite));
    exchange(&mut client, &mut session);
    let (mut wire, mut sent, mut received) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..MAX_STEPS as u8 {
        if input.0.is_empty() {
            break;
        }
        let (kind, number) = (input.byte() % 4, input.number());
        match kind {
            0 => {
                let plain = vec![step; number];
                client.set_buffer_limit(None);
                client.writer().write_all(&plain).expect("a client takes plaintext");
                sent.extend(plain);
            }
            1 => client.refresh_traffic_keys().expect("TLS 1.3 has new keys"),
            2 => {
                let plain = vec![step; number];
                let mut room = vec![0; number + 1_024];
                let Ok(Sealed::Whole(length)) = session.seal(&plain, &mut room) else {
                    panic!("there is room");
                };
                assert!(read(&mut client, &room[..length]) == plain, "rustls reads the same");
            }
            _ => {
                while client.wants_write() {
                    client.write_tls(&mut wire).expect("a Vec takes every byte");
                }
                let mut piece: Vec<u8> = wire.drain(..number.min(wire.len())).collect();
                session.open(&mut piece, &mut received).expect("rustls keeps to TLS");
            }
        }
    }
    client.send_close_notify();
    while client.wants_write() {
        client.write_tls(&mut wire).expect("a Vec takes every byte");
    }
    let opened = session.open(&mut wire, &mut received).expect("rustls keeps to TLS");
    assert!(opened.eof && received == sent, "we read the same");
    assert_eq!(read(&mut client, &session.seal_close()), b"");
}

/// The ClientHello of rustls, for a seed.
#[cfg(test)]
pub(crate) fn hello(suite: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(suite).write_tls(&mut bytes).expect("a Vec takes every byte");
    bytes
}

/// Runs the handshake to its end.
fn exchange(client: &mut ClientConnection, session: &mut TlsSession) {
    let mut established = false;
    while !established || client.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("a Vec takes every byte");
        }
        let opened = session.open(&mut bytes, &mut Vec::new()).expect("a good handshake");
        established = opened.established;
        read(client, &session.take_pending());
    }
}

/// Gives the client bytes from the server. Returns the plaintext in them.
fn read(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).expect("a slice can be read");
        let state = client.process_new_packets().expect("we keep to TLS");
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        client.reader().read_exact(&mut plain[start..]).expect("as much as there is");
    }
    plain
}
