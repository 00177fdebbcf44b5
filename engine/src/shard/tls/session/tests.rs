use rustls::version::{TLS12, TLS13};

use super::*;
use crate::limits::MAX_PARTIAL_RECORD;
use crate::shard::tests::fixtures::{
    client_bytes, client_reads, handshake, handshake_of, tls_configs,
};

/// Sessions over TLS 1.2, over 1.3 with rustls's records and with ours, and their clients.
fn sessions(piece: usize) -> impl Iterator<Item = (TlsSession, rustls::ClientConnection)> {
    [(&TLS12, false), (&TLS13, true), (&TLS13, false)].into_iter().map(move |(version, keeps)| {
        let (session, client) = handshake_of(tls_configs(version), piece, keeps);
        assert_eq!(session.is_own(), version == &TLS13 && !keeps);
        (session, client)
    })
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 / 7) as u8).collect()
}

fn seal(session: &mut TlsSession, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        match session.seal(plain, &mut out).unwrap() {
            Sealed::Whole(len) => {
                out.truncate(len);
                return out;
            }
            Sealed::Needs(room) => out.resize(room, 0),
        }
    }
}

fn says(client: &mut rustls::ClientConnection, plain: &[u8]) -> Vec<u8> {
    std::io::Write::write_all(&mut client.writer(), plain).unwrap();
    client_bytes(client)
}

impl TlsSession {
    /// Whether the record layer makes the records.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.layer, Layer::Own(_))
    }

    /// The record layer.
    pub(crate) fn into_records(self) -> RecordLayer {
        let Layer::Own(records) = self.layer else { panic!("rustls makes them") };
        records
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    for (mut session, mut client) in sessions(1) {
        let sealed = seal(&mut session, b"hello");
        assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"hello");
    }
}

#[test]
fn records_split_at_every_byte_come_out_whole() {
    for (mut session, mut client) in sessions(usize::MAX) {
        for at in 0..=40 {
            let mut bytes = says(&mut client, b"one");
            bytes.extend(says(&mut client, b"two"));
            let (head, tail) = bytes.split_at_mut(at);
            let mut plain = Vec::new();
            session.open(head, &mut plain).unwrap();
            session.open(tail, &mut plain).unwrap();
            assert_eq!(plain, b"onetwo", "split at {at}");
            assert_eq!(session.partial.capacity(), 0, "nothing is kept at rest");
        }
    }
}

#[test]
fn half_a_record_takes_no_more_than_its_bytes() {
    for (mut session, mut client) in sessions(usize::MAX) {
        client.set_buffer_limit(None);
        let mut bytes = says(&mut client, &noise(16_384));
        bytes.extend(says(&mut client, b"the next one"));
        let (half, rest) = bytes.split_at_mut(16_000);
        for piece in half.chunks_mut(4_096) {
            session.open(piece, &mut Vec::new()).unwrap();
        }
        assert_eq!((session.partial.len(), session.partial.capacity()), (16_000, 16_000));
        let (most, last) = rest.split_at_mut(rest.len() - 3);
        session.open(most, &mut Vec::new()).unwrap();
        assert!(session.partial.capacity() < 50, "what was used up is not kept");
        session.open(last, &mut Vec::new()).unwrap();
        assert_eq!(session.partial.capacity(), 0);
    }
}

#[test]
fn a_client_hello_without_end_is_held_so_far_only() {
    let (server, _) = crate::shard::tests::fixtures::tls_configs(&TLS13);
    let mut session = TlsSession::new(server, false).unwrap();
    // 61,000 bytes, in records of 1,000.
    let hello = [&[1, 0, 0xee, 0x48, 3, 3][..], &noise(60_998)].concat();
    let mut records = hello.chunks(1_000).map(|piece| {
        let [high, low] = (piece.len() as u16).to_be_bytes();
        [&[22, 3, 1, high, low][..], piece].concat()
    });
    let fault = records.find_map(|mut record| {
        let opened = session.open(&mut record, &mut Vec::new());
        assert!(session.partial.capacity() <= MAX_PARTIAL_RECORD + record.len());
        opened.err()
    });
    assert!(matches!(fault, Some(TlsError::Oversize)), "{fault:?}");
}

#[test]
fn large_payloads_cross_both_ways() {
    for (mut session, mut client) in sessions(usize::MAX) {
        client.set_buffer_limit(None);
        let sent = noise(1 << 20);
        let mut plain = Vec::new();
        for piece in says(&mut client, &sent).chunks_mut(4_096) {
            session.open(piece, &mut plain).unwrap();
        }
        assert!(plain == sent);
        let sealed = seal(&mut session, &sent);
        assert!(client_reads(&mut client, &sealed).unwrap() == sent);
    }
}

#[test]
fn too_little_room_changes_nothing() {
    let (mut session, mut client) = handshake(&TLS13, usize::MAX);
    let Sealed::Needs(room) = session.seal(b"hello", &mut [0; 8]).unwrap() else {
        panic!("a record does not fit 8 bytes");
    };
    let mut out = vec![0; room];
    assert_eq!(session.seal(b"hello", &mut out).unwrap(), Sealed::Whole(room));
    assert_eq!(client_reads(&mut client, &out).unwrap(), b"hello");
}

#[test]
fn a_key_update_is_followed_and_answered_before_the_next_record() {
    let (mut session, mut client) = handshake(&TLS13, usize::MAX);
    for round in 0..3 {
        client.refresh_traffic_keys().unwrap();
        let mut plain = Vec::new();
        session.open(&mut says(&mut client, b"with new keys"), &mut plain).unwrap();
        assert_eq!(plain, b"with new keys", "round {round}");
        let sealed = seal(&mut session, b"answer");
        assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"answer", "round {round}");
    }
    assert_eq!(session.pending.capacity(), 0);
}

#[test]
fn close_notify_ends_both_ways() {
    for (mut session, mut client) in sessions(usize::MAX) {
        let mut bytes = says(&mut client, b"bye");
        client.send_close_notify();
        bytes.extend(client_bytes(&mut client));
        bytes.extend(b"what comes behind is not read");
        let mut plain = Vec::new();
        assert!(session.open(&mut bytes, &mut plain).unwrap().eof);
        assert_eq!(plain, b"bye");
        assert!(!session.open(&mut b"nor this".to_vec(), &mut plain).unwrap().eof, "told once");
        assert_eq!(session.partial.capacity(), 0);

        let sealed = seal(&mut session, b"still writing");
        assert_eq!(client_reads(&mut client, &sealed).unwrap(), b"still writing");
        client_reads(&mut client, &session.seal_close()).unwrap();
        let end = std::io::Read::read(&mut client.reader(), &mut [0; 1]);
        assert_eq!(end.unwrap(), 0, "a clean end");
    }
}

#[test]
fn a_corrupted_record_is_a_fault_and_answered_by_an_alert() {
    for (mut session, mut client) in sessions(usize::MAX) {
        let mut bytes = says(&mut client, b"good");
        let mut bad = says(&mut client, b"bad");
        *bad.last_mut().unwrap() ^= 1;
        bytes.extend(bad);
        let mut plain = Vec::new();
        assert!(matches!(session.open(&mut bytes, &mut plain), Err(TlsError::Rustls(_))));
        assert_eq!(plain, b"good", "what came before the fault counts");
        let alert = session.seal_close();
        let told = client_reads(&mut client, &alert).unwrap_err();
        assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told:?}");
        assert!(session.seal(b"more", &mut [0; 512]).is_err());
    }
}

#[test]
fn what_is_no_tls_is_a_fault_with_an_alert() {
    let (server, _) = crate::shard::tests::fixtures::tls_configs(&TLS13);
    let mut session = TlsSession::new(server, false).unwrap();
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    assert!(session.open(&mut bytes, &mut Vec::new()).is_err());
    assert_eq!(session.seal_close()[0], 21, "an alert record (RFC 8446 5.1)");
}
