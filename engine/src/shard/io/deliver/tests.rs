use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use super::*;
use crate::limits::{BATCH_BYTES, BATCH_ENTRIES};
use crate::shard::delivery_ring::ring_config;
use crate::shard::tests::fixtures::{
    client_bytes, client_reads, connect, handshake, key, plain, tls_client, tls_configs,
};
use crate::shard::tls::TlsSession;
use crate::shared_frame::Frame;
use crate::types::{Seq, Time};

fn frame(bytes: &[u8]) -> Payload {
    Payload::Frame(Rc::new(Frame::new(bytes.into(), Seq(1), Time(0), 1)), 0)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 / 7) as u8).collect()
}

fn flush(delivery: &mut Delivery) -> Flushed {
    let mut out = Flushed::default();
    delivery.flush(&mut out);
    out
}

/// Writes one payload to slot 0. Returns what is still to be sent.
fn write(delivery: &mut Delivery, payload: Payload) -> Option<Owed> {
    delivery.load(payload);
    let _ = delivery.push(0);
    flush(delivery).shorts.pop().map(|short| short.owed)
}

/// A write sink that has room in slot 0 again only when the peer has read: the buffers of TCP also
/// grow.
fn patient(tls: bool) -> (Delivery, UnixStream) {
    let mut ring = Ring::new(&ring_config(1)).unwrap();
    let (ours, peer) = UnixStream::pair().unwrap();
    ring.place(key(0).into(), &ours).unwrap();
    (Delivery::new(ring, usize::from(tls), Instant::now()), peer)
}

fn read(peer: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn whole_sends_cost_one_call_and_no_completion() {
    let (mut delivery, mut peers) = plain(100);
    delivery.load(frame(b"to all"));
    for slot in 0..100 {
        assert!(!delivery.push(slot));
    }
    let out = flush(&mut delivery);
    assert!(out.shorts.is_empty());
    assert_eq!(out.payloads.len(), 1);
    let stats = delivery.ring.take_stats();
    assert_eq!((stats.enters, stats.entries, stats.send_completions), (1, 100, 0));
    for peer in &mut peers {
        assert_eq!(read(peer, 6), b"to all");
    }
}

#[test]
fn an_empty_flush_makes_no_system_call() {
    let (mut delivery, _peers) = plain(1);
    assert!(flush(&mut delivery).payloads.is_empty());
    delivery.load(frame(b"for nobody"));
    assert_eq!(flush(&mut delivery).payloads.len(), 1);
    assert_eq!(delivery.ring.take_stats().enters, 0);
}

#[test]
fn a_full_socket_owes_the_rest() {
    let (mut delivery, mut peer) = patient(false);
    let sent = noise(4 << 20);
    let Some(Owed::After(taken)) = write(&mut delivery, frame(&sent)) else {
        panic!("4 MiB fit no socket");
    };
    assert!(0 < taken && taken < sent.len());
    assert_eq!(write(&mut delivery, frame(b"more")), Some(Owed::After(0)), "now it is full");
    assert!(read(&mut peer, taken) == sent[..taken], "what was taken is whole");
    assert_eq!(write(&mut delivery, frame(b"again")), None, "room again");
    assert_eq!(read(&mut peer, 5), b"again");
    assert_eq!(delivery.ring.take_stats().send_completions, 2);
}

#[test]
fn a_dead_socket_is_told() {
    let (mut delivery, mut peers) = plain(1);
    let peer = socket2::Socket::from(peers.pop().unwrap());
    peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let owed = write(&mut delivery, frame(b"anybody?"));
    assert!(matches!(owed, Some(Owed::Dead(libc::ECONNRESET | libc::EPIPE))), "{owed:?}");
    assert_eq!(write(&mut delivery, frame(b"hello?")), Some(Owed::Dead(libc::EPIPE)));
}

#[test]
fn an_empty_slot_is_dead() {
    let (mut delivery, _peers) = plain(1);
    delivery.ring.clear(key(0).into());
    assert_eq!(write(&mut delivery, frame(b"x")), Some(Owed::Dead(libc::EBADF)));
}

#[test]
fn exceptions_name_their_run_and_connection() {
    let (mut delivery, mut peers) = plain(3);
    delivery.ring.clear(key(1).into());
    for payload in [b"one", b"two", b"for"] {
        delivery.load(frame(payload));
        for slot in 0..3 {
            // A connection is written once per batch: give each run its own slot.
            if payload == [b"one", b"two", b"for"][slot] {
                let _ = delivery.push(slot as u32);
            }
        }
        delivery.load(Payload::Owned(b"a run for nobody".to_vec()));
    }
    let out = flush(&mut delivery);
    assert_eq!(out.payloads.len(), 6);
    let owed = Owed::Dead(libc::EBADF);
    assert_eq!(out.shorts, [Short { connection: 1, run: 2, owed }]);
    assert_eq!(out.payloads[2].bytes(), b"two");
    assert_eq!(read(&mut peers[0], 3), b"one");
    assert_eq!(read(&mut peers[2], 3), b"for");
}

#[test]
fn a_batch_is_bounded_in_entries_and_bytes() {
    let (mut delivery, _peers) = plain(BATCH_ENTRIES as u32);
    delivery.load(frame(b"x"));
    let full = (0..BATCH_ENTRIES as u32).map(|slot| delivery.push(slot)).position(|full| full);
    assert_eq!(full, Some(BATCH_ENTRIES - 1));
    flush(&mut delivery);
    delivery.load(Payload::Owned(vec![0; BATCH_BYTES]));
    assert!(delivery.push(0));
    flush(&mut delivery);
    delivery.load(Payload::Owned(vec![0; 1]));
    assert!(!delivery.push(1));
    flush(&mut delivery);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "two writes to slot 0 in one batch")]
fn two_writes_to_one_connection_in_a_batch_are_a_bug() {
    let (mut delivery, _peers) = plain(1);
    delivery.load(frame(b"x"));
    let _ = delivery.push(0);
    let _ = delivery.push(0);
}

#[test]
fn receives_reaped_by_a_flush_are_not_lost() {
    let (mut delivery, mut peers) = plain(2);
    delivery.ring.receive(key(0).into());
    delivery.ring.submit();
    peers[0].write_all(b"while you write").unwrap();
    delivery.load(frame(b"out"));
    let _ = delivery.push(1);
    assert!(flush(&mut delivery).shorts.is_empty());
    delivery.ring.wait();
    let completion = delivery.ring.next().unwrap();
    assert_eq!(completion.key, key(0).into());
    let received = completion.received.unwrap();
    assert_eq!(delivery.ring.bytes(&received), b"while you write");
    delivery.ring.give_back(received);
}

/// Reads from the socket until the client has made `len` bytes of plaintext.
fn read_secure(peer: &mut impl Read, client: &mut rustls::ClientConnection, len: usize) -> Vec<u8> {
    let (mut plain, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    while plain.len() < len {
        let read = peer.read(&mut buffer).unwrap();
        assert!(read > 0, "the connection ended");
        plain.extend(client_reads(client, &buffer[..read]).unwrap());
    }
    plain
}

#[test]
fn one_payload_is_sealed_for_each_connection() {
    let ring = Ring::new(&ring_config(3)).unwrap();
    let (mut delivery, mut peers) = connect(Delivery::new(ring, 3, Instant::now()), 3);
    let mut clients = Vec::new();
    for slot in 0..3 {
        let (session, client) = handshake(&rustls::version::TLS13, usize::MAX);
        delivery.set_session(slot, session.into());
        clients.push(client);
    }
    for text in [&b"first"[..], b"second"] {
        delivery.load(frame(text));
        for slot in 0..3 {
            assert!(!delivery.push(slot));
        }
        assert!(flush(&mut delivery).shorts.is_empty());
        for (peer, client) in peers.iter_mut().zip(&mut clients) {
            assert_eq!(read_secure(peer, client, text.len()), text);
        }
    }
}

#[test]
fn a_full_socket_owes_ciphertext_and_the_stream_goes_on() {
    let (mut delivery, mut peer) = patient(true);
    let (session, mut client) = handshake(&rustls::version::TLS13, usize::MAX);
    delivery.set_session(0, session.into());
    let sent = noise(4 << 20);
    let Some(Owed::Sealed(rest)) = write(&mut delivery, frame(&sent)) else {
        panic!("4 MiB fit no socket");
    };
    // The socket accepts nothing of the next one, but its record number is used all the same.
    let Some(Owed::Sealed(next)) = write(&mut delivery, frame(b"next")) else {
        panic!("the socket is full");
    };
    let reader = std::thread::spawn(move || {
        let plain = read_secure(&mut peer, &mut client, (4 << 20) + 4);
        (plain, peer, client)
    });
    for owed in [rest, next] {
        let (mut payload, mut done) = (Payload::Sealed(owed, 0), false);
        while !done {
            let Payload::Sealed(bytes, offset) = payload else { unreachable!() };
            delivery.ring.poll_writable(key(0).into());
            delivery.ring.wait();
            assert!(delivery.ring.next().is_some());
            delivery.load(Payload::Sealed(bytes, offset));
            let _ = delivery.push(0);
            let mut out = flush(&mut delivery);
            let Some(Payload::Sealed(bytes, offset)) = out.payloads.pop() else { unreachable!() };
            done = out.shorts.is_empty();
            let taken = match out.shorts.pop().map(|short| short.owed) {
                Some(Owed::After(taken)) => taken,
                None => 0,
                other => panic!("{other:?}"),
            };
            payload = Payload::Sealed(bytes, offset + taken);
        }
    }
    let (plain, mut peer, mut client) = reader.join().unwrap();
    assert!(plain[..sent.len()] == sent && plain[sent.len()..] == *b"next");
    assert_eq!(write(&mut delivery, frame(b"live again")), None);
    assert_eq!(read_secure(&mut peer, &mut client, 10), b"live again");
}

#[test]
fn sealed_bytes_of_a_batch_are_bounded() {
    let ring = Ring::new(&ring_config(BATCH_ENTRIES)).unwrap();
    let delivery = Delivery::new(ring, BATCH_ENTRIES, Instant::now());
    let (mut delivery, mut peers) = connect(delivery, 100);
    let (server, client) = tls_configs(&rustls::version::TLS13);
    let mut clients = Vec::new();
    for slot in 0..100 {
        let mut session = TlsSession::new(server.clone(), false).unwrap();
        let mut client = tls_client(client.clone());
        while client.is_handshaking() {
            let mut bytes = client_bytes(&mut client);
            session.open(&mut bytes, &mut Vec::new()).unwrap();
            client_reads(&mut client, &session.take_pending()).unwrap();
        }
        session.open(&mut client_bytes(&mut client), &mut Vec::new()).unwrap();
        client_reads(&mut client, &session.take_pending()).unwrap();
        delivery.set_session(slot, session.into());
        clients.push(client);
    }
    let sent = noise(30 << 10);
    delivery.load(frame(&sent));
    let full = (0..100).map(|slot| delivery.push(slot)).position(|full| full).unwrap();
    assert!(full < BATCH_BYTES / sent.len(), "{full} sends before the batch was full");
    assert!(flush(&mut delivery).shorts.is_empty());
    assert_eq!(read_secure(&mut peers[full], &mut clients[full], sent.len()), sent);
}

#[test]
fn close_notify_goes_before_fin() {
    let (mut delivery, mut peer) = patient(true);
    let (session, mut client) = handshake(&rustls::version::TLS13, usize::MAX);
    delivery.set_session(0, session.into());
    delivery.send_close(0);
    delivery.ring.shutdown_write(key(0).into());
    delivery.finish();
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    client_reads(&mut client, &bytes).unwrap();
    assert_eq!(client.reader().read(&mut [0; 1]).unwrap(), 0, "a clean end");
}
