use std::io::Write;

use std::net::{TcpListener, TcpStream};

use super::*;

type Ring = super::Ring<&'static [u8]>;

fn ring(slots: usize) -> Ring {
    Ring::new(&Config::new(slots)).unwrap()
}

/// Connected sockets: the ring's and the peer's.
fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, peer)
}

/// The key of a slot's first life.
fn key(index: u32) -> SlotKey {
    SlotKey::new(index)
}

/// Receives until `ring` reports the end of the receive. Returns bytes and the last result.
fn receive_all(ring: &mut Ring) -> (Vec<u8>, i32) {
    let mut bytes = Vec::new();
    loop {
        ring.wait();
        while let Some(completion) = ring.next() {
            assert_eq!(completion.operation, Operation::Receive);
            if let Some(received) = completion.received {
                bytes.extend_from_slice(ring.bytes(&received));
                ring.give_back(received);
            }
            if !completion.more {
                return (bytes, completion.result);
            }
        }
    }
}

#[test]
fn buffers_that_run_out_are_told_and_nothing_is_lost() {
    let mut ring = ring(1);
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    let sent: Vec<u8> = (0..2 * 1_024 * 4_096).map(|i| (i / 251) as u8).collect();
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || peer.write_all(&sent).map(|()| peer).unwrap()
    });
    let (mut held, mut got) = (Vec::new(), Vec::new());
    ring.receive(key(0));
    'full: loop {
        ring.wait();
        while let Some(completion) = ring.next() {
            held.extend(completion.received);
            if completion.result == -libc::ENOBUFS {
                assert!(!completion.more);
                break 'full;
            }
        }
    }
    assert_eq!(held.len(), 1_024);
    for received in held.drain(..) {
        got.extend_from_slice(ring.bytes(&received));
        ring.give_back(received);
    }
    // Again and again: the next life of the buffers may run out too.
    while got.len() < sent.len() {
        ring.receive(key(0));
        while got.len() < sent.len() {
            ring.wait();
            let Some(completion) = ring.next() else { continue };
            if let Some(received) = completion.received {
                got.extend_from_slice(ring.bytes(&received));
                ring.give_back(received);
            }
            if !completion.more {
                break;
            }
        }
    }
    assert!(got == sent, "the stream is whole and in order");
    drop(writer.join().unwrap());
}

#[test]
fn closing_in_order_sends_fin_and_empties_the_slot() {
    let mut ring = ring(1);
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    drop(ours);
    ring.receive(key(0));
    ring.shutdown_write(key(0));
    ring.wait();
    let shut = ring.next().unwrap();
    assert_eq!((shut.operation, shut.result, shut.more), (Operation::Shutdown, 0, false));
    assert_eq!(std::io::Read::read(&mut peer, &mut [0; 8]).unwrap(), 0, "FIN");

    peer.write_all(b"last words").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(receive_all(&mut ring), (b"last words".to_vec(), 0));
    ring.clear(key(0));

    let (again, mut other) = sockets();
    let second = key(0).next_life();
    ring.place(second, &again).unwrap();
    ring.receive(second);
    other.write_all(b"new").unwrap();
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!((completion.key, completion.result), (second, 3));
}

#[test]
fn a_cancelled_receive_keeps_what_came_before() {
    let mut ring = ring(1);
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.receive(key(0));
    ring.submit();
    peer.write_all(b"before").unwrap();
    ring.cancel(Operation::Receive, key(0));
    ring.submit();
    assert_eq!(receive_all(&mut ring), (b"before".to_vec(), -libc::ECANCELED));
}

#[test]
fn cancelling_what_is_over_harms_nobody() {
    let mut ring = ring(2);
    let (ours, mut peer) = sockets();
    ring.place(key(1), &ours).unwrap();
    ring.cancel(Operation::Receive, key(1));
    ring.cancel(Operation::Poll, SlotKey { index: 1, generation: 9 });
    ring.receive(key(1));
    peer.write_all(b"x").unwrap();
    ring.wait();
    assert_eq!(ring.next().unwrap().result, 1);
    assert!(ring.is_quiet());
}

#[test]
fn a_poll_ends_once_there_is_room() {
    let mut ring = ring(1);
    let (ours, _peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.poll_writable(key(0));
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!((completion.operation, completion.more), (Operation::Poll, false));
    assert!(completion.result & i32::from(libc::POLLOUT) != 0);
}

#[test]
fn completions_beyond_the_queue_are_counted_and_come() {
    // A ring without slots has room for 2,048 completions; more polls than that end at once.
    let mut ring = ring(1);
    let (ours, _peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    let polls = ring.queues.uring.params().cq_entries() + 500;
    for index in 0..polls {
        // Written without the ring, which would reap after each 768.
        let user_data = UserData::armed(Operation::Poll, key(index));
        let entry = opcode::PollAdd::new(Fixed(0), libc::POLLOUT as u32).build();
        ring.queues.push(&entry.user_data(user_data.0));
        if index % 1_024 == 1_023 {
            ring.queues.enter(0);
        }
    }
    ring.queues.enter(0);
    ring.slots = Slots::new(polls as usize);
    (0..polls).for_each(|index| ring.slots.occupy(key(index)));
    for index in 0..polls {
        assert_eq!(ring.next().unwrap().key, key(index), "in order");
    }
    assert!(ring.next().is_none());
    assert!(ring.take_stats().overflows > 0);
}

#[test]
fn the_event_tells_of_completions_while_listened_to_and_of_nothing_else() {
    for listens in [false, true] {
        let mut ring = ring(1);
        let mut event = std::fs::File::from(ring.event().unwrap());
        let mut rung = move || std::io::Read::read(&mut event, &mut [0; 8]).is_ok();
        let (ours, _peer) = sockets();
        ring.place(key(0), &ours).unwrap();
        ring.listen(listens);
        ring.load(b"whole sends complete silently");
        ring.send(key(0)).unwrap();
        drop(ring.submit_batch());
        assert!(!rung());
        ring.poll_writable(key(0));
        ring.submit();
        assert_eq!(rung(), listens);
        assert!(ring.next().is_some());
    }
}

#[test]
fn cancelling_everything_lets_the_slot_be_cleared_after_the_last_completion() {
    let mut ring = ring(1);
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    drop(ours);
    assert!(ring.cancel_all(key(0)), "nothing is armed");
    ring.receive(key(0));
    ring.shutdown_write(key(0));
    assert!(!ring.cancel_all(key(0)) && !ring.is_idle(key(0)));
    let mut last = Vec::new();
    while !ring.is_idle(key(0)) {
        ring.wait();
        last.extend(std::iter::from_fn(|| ring.next()).map(|completion| completion.operation));
    }
    last.sort_unstable_by_key(|operation| *operation as u8);
    assert_eq!(last, [Operation::Receive, Operation::Shutdown]);
    ring.clear(key(0));
    ring.clear(key(0)); // Its life is over: nothing happens.
    assert_eq!(std::io::Read::read(&mut peer, &mut [0; 8]).unwrap(), 0);
}

#[test]
#[should_panic(expected = "cleared while an operation is armed")]
fn clearing_a_slot_with_an_armed_operation_is_a_bug() {
    let mut ring = ring(1);
    let (ours, _peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.receive(key(0));
    ring.clear(key(0));
}

#[test]
fn a_late_completion_of_an_earlier_life_is_dropped_and_its_buffer_given_back() {
    let mut ring = Ring::new(&Config { receive_buffers: 1, ..Config::new(1) }).unwrap();
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.receive_once(key(0));
    // Replaced here because the ring would not free the slot.
    ring.slots = Slots::new(1);
    let second = key(0).next_life();
    ring.slots.occupy(second);
    peer.write_all(b"late").unwrap();
    ring.wait();
    assert!(ring.next().is_none());
    peer.write_all(b"new").unwrap();
    ring.receive_once(second);
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!((completion.key, completion.result), (second, 3), "the only buffer is back");
}

#[test]
#[should_panic(expected = "is not of this ring")]
fn a_buffer_of_another_ring_is_refused() {
    let (mut one, mut other) = (ring(1), ring(1));
    let (ours, mut peer) = sockets();
    one.place(key(0), &ours).unwrap();
    one.receive(key(0));
    peer.write_all(b"x").unwrap();
    one.wait();
    other.give_back(one.next().unwrap().received.unwrap());
}

#[test]
fn neighbouring_slots_are_placed_by_one_call_and_what_the_kernel_refuses_is_named() {
    let mut ring = ring(3);
    let (ours, _peer) = sockets();
    let files = [ours.as_raw_fd(), i32::MAX, ours.as_raw_fd()];
    let (placed, error) = ring.place_run((0..3).map(key), &files).unwrap_err();
    assert_eq!((placed, error.raw_os_error()), (1, Some(libc::EBADF)));
    ring.poll_writable(key(2));
    ring.wait();
    assert_eq!(ring.next().unwrap().result, -libc::EBADF);
    (0..3).for_each(|slot| ring.clear(key(slot)));
    ring.place_run((0..3).map(|slot| key(slot).next_life()), &[ours.as_raw_fd(); 3]).unwrap();
}

#[test]
fn a_kernel_without_memory_or_room_is_asked_again_after_a_pause_and_nothing_is_lost() {
    let mut ring = ring(1);
    let (ours, mut peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.queues.faults = Box::new([libc::EAGAIN, libc::EBUSY, libc::EINTR].into_iter());
    ring.load(b"late");
    ring.send(key(0)).unwrap();
    assert!(ring.submit_batch().exceptions().is_empty());
    let mut bytes = [0; 4];
    std::io::Read::read_exact(&mut peer, &mut bytes).unwrap();
    assert_eq!(&bytes, b"late");
    // While it waits for completions, too.
    ring.queues.faults = Box::new([libc::EAGAIN; 3].into_iter());
    ring.receive(key(0));
    peer.write_all(b"x").unwrap();
    ring.wait();
    assert_eq!(ring.next().unwrap().result, 1);
    let stats = ring.take_stats();
    assert_eq!(stats.stalls, 5, "an interruption is none");
    assert_eq!(ring.take_stats().stalls, 0);
}

#[test]
#[should_panic(
    expected = "io_uring_enter takes nothing for 20ms: Resource temporarily unavailable"
)]
fn a_kernel_that_takes_nothing_for_long_ends_the_ring_with_words() {
    let config = Config { patience: std::time::Duration::from_millis(20), ..Config::new(1) };
    let mut ring: Ring = Ring::new(&config).unwrap();
    let (ours, _peer) = sockets();
    ring.place(key(0), &ours).unwrap();
    ring.queues.faults = Box::new(std::iter::repeat(libc::EAGAIN));
    ring.poll_writable(key(0));
    ring.submit();
}
