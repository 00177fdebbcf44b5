use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;

/// A ring whose slots from 0 on hold sockets, and their peers.
fn ring(count: u32, config: Config) -> (Ring<Vec<u8>>, Vec<UnixStream>) {
    let mut ring = Ring::new(&config).unwrap();
    let mut place = |slot| {
        let (ours, peer) = UnixStream::pair().unwrap();
        ring.place(SlotKey::new(slot), &ours).unwrap();
        peer
    };
    let peers = (0..count).map(&mut place).collect();
    (ring, peers)
}

fn read(peer: &mut UnixStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

/// The results of the exceptions of a batch.
fn submit(ring: &mut Ring<Vec<u8>>) -> Vec<i32> {
    ring.submit_batch().exceptions().iter().map(|exception| exception.result).collect()
}

#[test]
fn whole_sends_cost_one_call_and_no_completion() {
    let (mut ring, mut peers) = ring(100, Config::new(100));
    ring.load(b"to all".to_vec());
    (0..100).for_each(|slot| ring.send(SlotKey::new(slot)).unwrap());
    assert_eq!(submit(&mut ring), []);
    let stats = ring.take_stats();
    assert_eq!((stats.enters, stats.entries, stats.completions), (1, 100, 0));
    peers.iter_mut().for_each(|peer| assert_eq!(read(peer, 6), b"to all"));
}

#[test]
fn a_full_socket_takes_a_part_then_nothing_and_again_once_it_is_read() {
    let (mut ring, mut peers) = ring(1, Config::new(1));
    let key = SlotKey::new(0);
    let sent: Vec<u8> = (0..4 << 20).map(|i| (i * 31 / 7) as u8).collect();
    ring.load(sent.clone());
    ring.send(key).unwrap();
    let taken = submit(&mut ring)[0] as usize;
    assert!(0 < taken && taken < sent.len());
    ring.load(b"more".to_vec());
    ring.send(key).unwrap();
    assert_eq!(submit(&mut ring), [-libc::EAGAIN]);
    assert!(read(&mut peers[0], taken) == sent[..taken]);
    ring.load(b"again".to_vec());
    ring.send(key).unwrap();
    assert_eq!(submit(&mut ring), []);
    assert_eq!(read(&mut peers[0], 5), b"again");
    assert_eq!(ring.take_stats().send_completions, 2);
}

#[test]
fn a_second_write_in_a_batch_is_refused_and_passes_in_the_next() {
    let (mut ring, mut peers) = ring(2, Config::new(2));
    ring.load(b"1".to_vec());
    ring.send(SlotKey::new(0)).unwrap();
    ring.load(b"2".to_vec());
    assert_eq!(ring.send(SlotKey::new(0)), Err(Refused::Written));
    ring.send(SlotKey::new(1)).unwrap();
    assert_eq!(submit(&mut ring), []);
    ring.load(b"2".to_vec());
    ring.send(SlotKey::new(0)).unwrap();
    assert_eq!(submit(&mut ring), []);
    assert_eq!((read(&mut peers[0], 2), read(&mut peers[1], 1)), (b"12".to_vec(), b"2".to_vec()));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "two writes to slot 0 in one batch")]
fn a_gate_of_the_caller_s_is_checked_in_debug_builds() {
    let (mut ring, _peers) = ring(1, Config::new(1));
    ring.load(b"x".to_vec());
    let _ = ring.send_gated(0);
    let _ = ring.send_gated(0);
}

#[test]
fn a_full_batch_refuses_the_next_send_in_entries_and_in_bytes() {
    let (mut ring, _peers) = ring(3, Config { batch_entries: 2, ..Config::new(3) });
    ring.load(b"x".to_vec());
    assert!(!ring.send_gated(0));
    assert!(ring.send_gated(1));
    assert_eq!(ring.send(SlotKey::new(2)), Err(Refused::Full));
    assert_eq!(submit(&mut ring), []);
    ring.load_owned(vec![0; 1 << 20]);
    // The first send of a batch always passes, or a long payload never would.
    ring.send(SlotKey::new(0)).unwrap();
    assert_eq!(ring.send(SlotKey::new(2)), Err(Refused::Full));
}

#[test]
fn a_key_of_another_life_is_refused() {
    let (mut ring, _peers) = ring(1, Config::new(2));
    ring.load(b"x".to_vec());
    assert_eq!(ring.send(SlotKey::new(0).next_life()), Err(Refused::Stale));
    assert_eq!(ring.send(SlotKey::new(1)), Err(Refused::Stale), "empty");
    assert_eq!(ring.send(SlotKey::new(2)), Err(Refused::Stale), "not of the ring");
    ring.clear(SlotKey::new(0));
    assert_eq!(ring.send(SlotKey::new(0)), Err(Refused::Stale));
    let _ = ring.send_gated(0);
    assert_eq!(submit(&mut ring), [-libc::EBADF], "as the kernel reports an empty slot");
}

#[test]
fn exceptions_name_slot_payload_and_entry_and_payloads_come_back() {
    let (mut ring, _peers) = ring(3, Config::new(3));
    ring.clear(SlotKey::new(1));
    for (slot, payload) in ["zero", "one", "two"].into_iter().enumerate() {
        ring.load(payload.into());
        let _ = ring.send_gated(slot as u32);
        ring.load(b"for no slot".to_vec());
    }
    let batch = ring.submit_batch();
    let result = -libc::EBADF;
    assert_eq!(batch.exceptions(), [Exception { slot: 1, payload: 2, result, entry: 1 }]);
    let mut payloads = Vec::new();
    batch.finish(&mut payloads);
    assert_eq!((payloads.len(), &payloads[2][..]), (6, &b"one"[..]));
    assert_eq!(ring.batched(), 0);
}

#[test]
fn sealed_bytes_are_each_slot_s_own_and_can_be_read_until_the_batch_is_finished() {
    let (mut ring, mut peers) = ring(3, Config { batch_bytes: 8, ..Config::new(3) });
    ring.load(b"plain".to_vec());
    let _ = ring.send_gated(0);
    let shout = |plain: &[u8], out: &mut [u8]| {
        let Some(out) = out.get_mut(..plain.len()) else {
            return Ok(Sealed::Needs(plain.len()));
        };
        out.copy_from_slice(&plain.to_ascii_uppercase());
        Ok::<_, ()>(Sealed::Whole(plain.len()))
    };
    assert_eq!(ring.send_sealed(1, shout), Ok(true), "no room for another in 8 bytes");
    assert_eq!(ring.send_sealed(2, shout), Ok(true), "so it gets memory of its own");
    let batch = ring.submit_batch();
    let sealed = [None, Some(&b"PLAIN"[..]), Some(&b"PLAIN"[..]), None];
    assert_eq!([0, 1, 2, 3].map(|entry| batch.sealed(entry)), sealed);
    drop(batch);
    let texts: Vec<_> = peers.iter_mut().map(|peer| read(peer, 5)).collect();
    assert_eq!(texts, [b"plain", b"PLAIN", b"PLAIN"]);
}

#[test]
#[should_panic(expected = "out of range")]
fn sealing_more_than_there_is_room_is_a_bug_of_the_closure() {
    let (mut ring, _peers) = ring(1, Config::new(1));
    ring.load(b"x".to_vec());
    let _ = ring.send_sealed(0, |_, out| Ok::<_, ()>(Sealed::Whole(out.len() + 1)));
}
