use std::io::Write;

use super::*;
use crate::limits::RECEIVE_BUFFER;
use crate::shard::testing::{key, sockets};

/// Receives until `ring` says that the receive is over; returns bytes and the last result.
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
    let mut ring = Ring::new(1, false).unwrap();
    let (ours, mut peer) = sockets();
    ring.place(0, &ours).unwrap();
    let sent: Vec<u8> =
        (0..2 * usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER).map(|i| (i / 251) as u8).collect();
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
    assert_eq!(held.len(), usize::from(RECEIVE_BUFFERS));
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
    let mut ring = Ring::new(1, false).unwrap();
    let (ours, mut peer) = sockets();
    ring.place(0, &ours).unwrap();
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
    ring.clear(0);

    let (again, mut other) = sockets();
    ring.place(0, &again).unwrap();
    let second = ConnectionKey { index: 0, generation: 1 };
    ring.receive(second);
    other.write_all(b"new").unwrap();
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!((completion.key, completion.result), (second, 3));
}

#[test]
fn a_cancelled_receive_keeps_what_came_before() {
    let mut ring = Ring::new(1, false).unwrap();
    let (ours, mut peer) = sockets();
    ring.place(0, &ours).unwrap();
    ring.receive(key(0));
    ring.submit();
    peer.write_all(b"before").unwrap();
    ring.cancel(Operation::Receive, key(0));
    ring.submit();
    assert_eq!(receive_all(&mut ring), (b"before".to_vec(), -libc::ECANCELED));
}

#[test]
fn cancelling_what_is_over_harms_nobody() {
    let mut ring = Ring::new(2, false).unwrap();
    let (ours, mut peer) = sockets();
    ring.place(1, &ours).unwrap();
    ring.cancel(Operation::Receive, key(1));
    ring.cancel(Operation::Poll, ConnectionKey { index: 1, generation: 9 });
    ring.receive(key(1));
    peer.write_all(b"x").unwrap();
    ring.wait();
    assert_eq!(ring.next().unwrap().result, 1);
    assert!(ring.is_quiet());
}

#[test]
fn a_poll_ends_once_there_is_room() {
    let mut ring = Ring::new(1, false).unwrap();
    let (ours, _peer) = sockets();
    ring.place(0, &ours).unwrap();
    ring.poll_writable(key(0));
    ring.wait();
    let completion = ring.next().unwrap();
    assert_eq!((completion.operation, completion.more), (Operation::Poll, false));
    assert!(completion.result & i32::from(libc::POLLOUT) != 0);
}

#[test]
fn completions_beyond_the_queue_are_counted_and_come() {
    // A ring without slots asks for 2,048 completions; more polls than that end at once.
    let mut ring = Ring::new(1, false).unwrap();
    let (ours, _peer) = sockets();
    ring.place(0, &ours).unwrap();
    let polls = ring.uring.params().cq_entries() + 500;
    for generation in 0..polls {
        // Written behind the ring's back, which would reap after each 768.
        let generation = generation as u16;
        ring.push(
            &opcode::PollAdd::new(Fixed(0), libc::POLLOUT as u32)
                .build()
                .user_data(UserData::of(Operation::Poll, ConnectionKey { index: 0, generation }).0),
        );
        if ring.queued == RING_ENTRIES as usize {
            ring.queued -= ring.uring.submit().unwrap();
        }
    }
    ring.queued -= ring.uring.submit().unwrap();
    let mut seen = 0;
    while let Some(completion) = ring.next() {
        assert_eq!(completion.key.generation, seen, "in order");
        seen += 1;
    }
    assert_eq!(u32::from(seen), polls);
    assert!(ring.take_stats().overflows > 0);
}

#[test]
fn the_event_tells_of_completions_while_listened_to_and_of_nothing_else() {
    for listens in [false, true] {
        let mut ring = Ring::new(1, false).unwrap();
        let mut event = std::fs::File::from(ring.event().unwrap());
        let mut rung = move || std::io::Read::read(&mut event, &mut [0; 8]).is_ok();
        let (ours, _peer) = sockets();
        ring.place(0, &ours).unwrap();
        ring.listen(listens);
        ring.load(crate::broker::outlet::Payload::Owned(b"whole sends complete silently".into()));
        let _ = ring.send(0);
        ring.submit_batch(&mut Vec::new());
        ring.finish_batch(&mut Vec::new());
        assert!(!rung());
        ring.poll_writable(key(0));
        ring.submit();
        assert_eq!(rung(), listens);
        assert!(ring.next().is_some());
    }
}
