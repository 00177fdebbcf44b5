use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::Stream;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::broker::Admission;
use crate::broker::effect::Effect;
use crate::config::{Access, Config, Protocol, Service};
use crate::limits::{MIN_BYTE_BURST, RECEIVE_BUFFER};
use crate::shard::delivery_ring::{Ring, ring_config};
use crate::shard::io::Delivery;
use crate::shard::tests::fixtures::{client_bytes, handshake_of, plain, sockets, tls_configs};
use crate::types::ShardId;

/// A broker that echoes, with the shard's I/O but without its event loop.
struct Rig {
    hub: Hub,
    slots: Slots,
    lanes: crate::shard::peers::PeerShards,
}

impl Rig {
    fn new() -> Rig {
        Rig::with(plain(0).0, 0)
    }

    fn with(delivery: Delivery, byte_rate: u32) -> Rig {
        let (protocol, max_message) = (Protocol::Echo, LONG);
        let access = Access { byte_rate, ..Access::default() };
        let echo = Service { protocol, max_message, access, message_rate: 0, ..Service::default() };
        let config = Config::from(echo);
        let hub = Hub::new(Arc::new(config), ShardId(0), 1, 2, 7);
        let lanes = crate::shard::peers::PeerShards::new(vec![None]);
        Rig { hub, slots: Slots::new(1, delivery), lanes }
    }

    fn admit(&mut self) -> (ConnectionKey, TcpStream) {
        let admitted = self.admit_unread();
        self.slots.rearm();
        self.slots.delivery.finish();
        admitted
    }

    /// Its receive is armed by the next step.
    fn admit_unread(&mut self) -> (ConnectionKey, TcpStream) {
        let (ours, peer) = sockets();
        let admission = Admission::plain(peer.local_addr().unwrap());
        let key = self.hub.admit(admission).unwrap();
        self.slots.delivery.ring.place(key.into(), &ours).unwrap();
        self.slots.open(key, self.hub.is_metered(key), None);
        (key, peer)
    }

    /// Steps, and does what the broker requests, until the request is this one.
    fn run_until(&mut self, awaited: fn(ConnectionKey) -> Effect) {
        let mut asked = false;
        while !asked {
            for effect in self.step() {
                match effect {
                    Effect::AwaitWritable(key) => {
                        self.slots.await_writable(key);
                        asked |= effect == awaited(key);
                    }
                    Effect::ShutdownWrite(key) => {
                        self.slots.shutdown_write(key);
                    }
                    Effect::CancelReceive(key) => asked |= effect == awaited(key),
                    _ => {}
                }
            }
            self.slots.delivery.finish();
        }
    }

    /// Waits for one completion and handles it. Returns what the broker then requests.
    fn step(&mut self) -> Vec<Effect> {
        self.slots.rearm();
        self.slots.delivery.ring.wait();
        while let Some(completion) = self.slots.delivery.ring.next() {
            self.slots.complete(completion, &mut self.hub);
        }
        while self.hub.poll_transmit(&mut self.slots.delivery, &mut self.lanes) {}
        std::iter::from_fn(|| self.hub.poll_effect()).collect()
    }
}

/// Bytes of a message that fit no socket.
const LONG: usize = 16 << 20;

/// A masked frame (RFC 6455 5.3) with an all-zero mask.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        short @ ..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn bytes_reach_the_broker_and_its_answer_the_peer() {
    let mut rig = Rig::new();
    let (_, mut peer) = rig.admit();
    peer.write_all(&frame(1, b"hello")).unwrap();
    assert_eq!(rig.step(), []);
    let mut answer = [0; 7];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[2..], b"hello");
}

#[test]
fn without_a_rate_an_iteration_takes_all_that_a_publisher_has_sent() {
    let mut rig = Rig::new();
    let (_, mut peer) = rig.admit();
    peer.write_all(&vec![0; 4 * RECEIVE_BUFFER]).unwrap();
    rig.slots.delivery.ring.wait();
    let buffers = std::iter::from_fn(|| rig.slots.delivery.ring.next()).count();
    assert!(buffers > 1, "what it publishes at once is not delivered at once");
}

#[test]
fn a_slot_is_released_only_after_its_last_completion() {
    let mut rig = Rig::new();
    let (key, peer) = rig.admit();
    rig.slots.await_writable(key);
    rig.slots.shutdown_write(key);
    assert!(!rig.slots.close(key), "three operations are armed");
    let mut ends = 0;
    while ends == 0 {
        rig.slots.delivery.ring.wait();
        while let Some(completion) = rig.slots.delivery.ring.next() {
            assert_eq!(ends, 0, "reported after the last one only");
            rig.slots.complete(completion, &mut rig.hub);
            let slot = rig.slots.slots[key.index as usize];
            let closed = slot.state == SlotState::Closed;
            ends += usize::from(closed);
            assert_eq!(closed, slot.is_quiet());
        }
    }
    assert!(rig.slots.release(key).is_none(), "it held no place");
    drop(peer);
}

#[test]
fn nothing_armed_ends_at_once() {
    let mut rig = Rig::new();
    let (key, peer) = rig.admit();
    drop(peer);
    assert_eq!(rig.step(), [Effect::ShutdownWrite(key), Effect::CancelReceive(key)]);
    assert!(rig.slots.close(key));
    assert!(!rig.slots.close(key), "but only once");
}

#[test]
fn who_ends_first_gets_its_answers_and_then_our_end() {
    // All of it is there when it is first read.
    for (said, owed) in [
        (frame(9, b"hi"), &[0x8a, 2, b'h', b'i'][..]),
        (frame(1, b"hello"), &[0x81, 5, b'h', b'e', b'l', b'l', b'o']),
        (frame(8, &[3, 232]), &[0x88, 2, 3, 232]),
        (vec![], &[]),
    ] {
        let mut rig = Rig::new();
        let (_, mut peer) = rig.admit_unread();
        peer.write_all(&said).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        rig.run_until(Effect::CancelReceive);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert_eq!(got, owed);
    }
}

#[test]
fn over_tls_our_close_notify_is_between_them() {
    for (version, keeps) in [(&TLS12, false), (&TLS13, true), (&TLS13, false)] {
        let (session, mut client) = handshake_of(tls_configs(version), usize::MAX, keeps);
        let delivery = Delivery::new(Ring::new(&ring_config(1)).unwrap(), 1, Instant::now());
        let mut rig = Rig::with(delivery, 0);
        let (key, mut peer) = rig.admit_unread();
        rig.slots.delivery.set_session(key.index, session.into());
        client.writer().write_all(&frame(9, b"hi")).unwrap();
        client.send_close_notify();
        peer.write_all(&client_bytes(&mut client)).unwrap();
        rig.run_until(Effect::CancelReceive);
        let mut got = Vec::new();
        Stream::new(&mut client, &mut peer).read_to_end(&mut got).unwrap();
        assert_eq!(got, [0x8a, 2, b'h', b'i'], "{version:?}: and a clean end");
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "FIN");
    }
}

#[test]
fn who_ends_first_and_reads_slowly_gets_all_of_it() {
    let mut rig = Rig::new();
    let (_, mut peer) = rig.admit();
    let mut reader = peer.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        peer.write_all(&frame(2, &vec![7; LONG])).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
    });
    rig.run_until(Effect::AwaitWritable);
    writer.join().unwrap();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        got.len()
    });
    rig.run_until(Effect::CancelReceive);
    assert_eq!(reader.join().unwrap(), LONG + 10);
}

#[test]
fn a_late_completion_of_an_earlier_life_is_ignored() {
    let mut rig = Rig::new();
    let (old, peer) = rig.admit();
    drop(peer);
    assert_eq!(rig.step(), [Effect::ShutdownWrite(old), Effect::CancelReceive(old)]);
    assert!(rig.slots.close(old));
    rig.hub.handle_receive_ended(old);
    assert_eq!(rig.hub.poll_effect(), Some(Effect::Release(old)));
    rig.slots.release(old);

    let (new, mut peer) = rig.admit();
    assert_eq!(new.index, old.index);
    for (operation, result) in [
        (Operation::Receive, 0),
        (Operation::Receive, -libc::ECONNRESET),
        (Operation::Poll, i32::from(libc::POLLOUT)),
        (Operation::Shutdown, 0),
    ] {
        let late = Completion { operation, key: old.into(), result, received: None, more: false };
        rig.slots.complete(late, &mut rig.hub);
    }
    peer.write_all(&frame(1, b"still here")).unwrap();
    assert_eq!(rig.step(), []);
    peer.read_exact(&mut [0; 12]).unwrap();
}

#[test]
fn paused_bytes_wait_in_the_socket_until_it_is_resumed() {
    let mut rig = Rig::new();
    let (key, mut peer) = rig.admit();
    rig.slots.pause(key);
    assert_eq!(rig.step(), [], "the final completion of the cancelled receive");
    peer.write_all(&frame(1, b"later")).unwrap();
    rig.slots.resume(key);
    assert_eq!(rig.step(), []);
    peer.read_exact(&mut [0; 7]).unwrap();

    // Resumed before the cancellation is complete: armed again by its final completion.
    rig.slots.rearm();
    rig.slots.delivery.finish();
    rig.slots.pause(key);
    rig.slots.resume(key);
    while rig.slots.slots[key.index as usize].receive != ReceiveState::Armed {
        assert_eq!(rig.step(), []);
        rig.slots.rearm();
    }
    peer.write_all(&frame(1, b"again")).unwrap();
    assert_eq!(rig.step(), []);
    peer.read_exact(&mut [0; 7]).unwrap();
}

#[test]
fn a_flood_is_taken_in_as_far_as_its_burst_and_one_buffer() {
    const SIZE: usize = 100;
    let mut rig = Rig::with(plain(0).0, 1_000);
    let (key, mut peer) = rig.admit();
    let flood = frame(1, &[b'x'; SIZE]).repeat(3 * MIN_BYTE_BURST as usize / SIZE);
    peer.set_nonblocking(true).unwrap();
    let sent = peer.write(&flood).unwrap();
    assert!(sent > 2 * MIN_BYTE_BURST as usize, "the sockets hold {sent}");
    while rig.step() != [Effect::PauseReceive(key)] {}
    rig.slots.rearm();
    assert_eq!(rig.slots.slots[key.index as usize].receive, ReceiveState::Off, "nothing is armed");
    let mut echoes = Vec::new();
    assert!(peer.read_to_end(&mut echoes).is_err(), "still open");
    let taken = echoes.len() / (2 + SIZE) * (6 + SIZE);
    let burst = MIN_BYTE_BURST as usize;
    assert!((burst - RECEIVE_BUFFER..=burst + RECEIVE_BUFFER).contains(&taken), "{taken}");
}
