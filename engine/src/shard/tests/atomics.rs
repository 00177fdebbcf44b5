//! Invariant 5, counted: read-modify-writes and full fences of a frame on each shard, in whole
//! iterations with real sockets. The crate's own atomics count themselves in tests
//! (`sync/atomics`); docs/decisions/0010 names the others.

use std::collections::VecDeque;

use super::*;
use crate::broker::Admission;
use crate::config::Retention;
use crate::shard::event_loop::EventLoop;
use crate::sync::take_count;
use crate::types::ConnectionKey;

/// Shards on this thread, iterated by hand.
struct Bench {
    loops: Vec<EventLoop>,
    mailboxes: Vec<Mailbox<Command>>,
    peers: Vec<TcpStream>,
    /// A client of each shard, which publishes.
    publishers: Vec<ConnectionKey>,
}

const CHANNEL: &str = "counted";
/// Subscribers of each shard.
const SUBSCRIBERS: usize = 3;

impl Bench {
    fn new(count: usize) -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // A short log, so that every frame is soon evicted.
        let retention = Retention { frames: 4, ..Retention::default() };
        let service = Service { message_rate: 0, anonymous_publish: true, ..Service::default() };
        let config = Config { retention, ..Config::from(service) };
        let Kit { parts, mailboxes, .. } = Kit::new(count, config, listener);
        let loops: Vec<EventLoop> =
            parts.into_iter().map(|parts| prepare(parts).unwrap()).collect();
        let mut bench = Bench { loops, mailboxes, peers: Vec::new(), publishers: Vec::new() };
        for shard in 0..count {
            let publisher = bench.connect(shard);
            bench.publishers.push(publisher);
            for _ in 0..SUBSCRIBERS {
                let key = bench.connect(shard);
                bench.say(shard, key, &format!(r#"{{"type":"subscribe","room":"{CHANNEL}"}}"#));
            }
        }
        (0..8).for_each(|_| drop(bench.round()));
        bench
    }

    fn connect(&mut self, shard: usize) -> ConnectionKey {
        let (ours, peer) = fixtures::sockets();
        let event_loop = &mut self.loops[shard];
        let admission = Admission::plain(peer.local_addr().unwrap());
        let key = event_loop.hub.admit(admission).unwrap();
        event_loop.slots.delivery.ring.place(key.into(), &ours).unwrap();
        self.peers.push(peer);
        key
    }

    fn say(&mut self, shard: usize, key: ConnectionKey, text: &str) {
        let event_loop = &mut self.loops[shard];
        let mut frame = VecDeque::from(vec![0x81, 0xfe]);
        frame.extend((text.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.bytes());
        event_loop.hub.handle_received(key, frame.make_contiguous());
    }

    fn publish_by_client(&mut self, shard: usize) {
        let data = format!(r#"{{"channel":"{CHANNEL}","event":"said","data":{{}}}}"#);
        let text = format!(r#"{{"type":"request","event":"publish","data":{data}}}"#);
        self.say(shard, self.publishers[shard], &text);
    }

    /// Every shard iterates, parks and unparks once; what each spent in the iteration.
    fn round(&mut self) -> Vec<u64> {
        let event_loop = |event_loop: &mut EventLoop| {
            take_count();
            event_loop.iterate();
            let spent = take_count();
            event_loop.park();
            event_loop.unpark();
            spent
        };
        self.loops.iter_mut().map(event_loop).collect()
    }

    /// Messages that all subscribers together have received.
    fn received(&mut self) -> usize {
        let mut received = 0;
        for peer in &mut self.peers {
            let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
            peer.set_nonblocking(true).unwrap();
            while let Ok(read @ 1..) = peer.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..read]);
            }
            let text = String::from_utf8_lossy(&bytes);
            received += text.matches(r#""event":"said""#).count();
        }
        received
    }

    /// What every shard spends on so many messages published together.
    fn spend(&mut self, messages: usize, publish: impl Fn(&mut Bench)) -> Vec<u64> {
        self.received();
        (0..messages).for_each(|_| publish(self));
        let mut sum = vec![0; self.loops.len()];
        // The request's way to the home, the frame's to the others, the answer's back.
        for _ in 0..4 {
            sum.iter_mut().zip(self.round()).for_each(|(sum, spent)| *sum += spent);
        }
        let subscribers = SUBSCRIBERS * self.loops.len();
        assert_eq!(self.received(), messages * subscribers, "every delivery was made");
        sum
    }
}

/// Runs `test` where shards can be prepared.
fn on_a_runtime(test: impl FnOnce()) {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build().unwrap();
    runtime.block_on(async { test() });
}

/// What a shard spends on each further message of an iteration; and what it spends on one alone,
/// the iteration's bells included.
fn costs(shards: usize, publish: impl Fn(&mut Bench)) -> Vec<(u64, u64)> {
    let mut bench = Bench::new(shards);
    // The second time the log is full: every frame evicts another one.
    let [one, many, more] = [1, 20, 40].map(|messages| {
        (0..8).for_each(|_| drop(bench.spend(messages, &publish)));
        bench.spend(messages, &publish)
    });
    // Between two bursts the bells are the same.
    let each = |shard: usize| {
        assert_eq!((more[shard] - many[shard]) % 20, 0, "each message costs the same");
        (more[shard] - many[shard]) / 20
    };
    one.iter().enumerate().map(|(shard, alone)| (each(shard), *alone)).collect()
}

#[test]
fn a_frame_costs_every_shard_two_atomics_at_most() {
    on_a_runtime(|| {
        for shards in 1..=3 {
            let channel = ChannelName::parse(CHANNEL).unwrap();
            let home = homes(shards).of(&channel).index();
            for publisher in 0..shards {
                let costs = costs(shards, |bench| bench.publish_by_client(publisher));
                println!("{shards} shards, home {home}, client on {publisher}: {costs:?}");
                for (shard, (each, alone)) in costs.into_iter().enumerate() {
                    assert!(each <= 2, "shard {shard} spends {each} on a frame");
                    // Beside the frame's own, two fences at most for each shard that is woken.
                    let woken = if shard == home { shards as u64 - 1 } else { 1 };
                    assert!(alone <= 2 + 2 * woken, "shard {shard} spends {alone} on one alone");
                }
            }
        }
    });
}

#[test]
fn on_one_shard_a_frame_costs_no_atomics() {
    on_a_runtime(|| {
        assert_eq!(costs(1, |bench| bench.publish_by_client(0)), [(0, 0)]);
    });
}

#[test]
fn the_mailbox_s_room_costs_atomics_by_the_turn_and_not_by_the_message() {
    on_a_runtime(|| {
        let send = |bench: &mut Bench| {
            let (reply, _) = oneshot::channel();
            let items = vec![publication(CHANNEL, "x")];
            bench.mailboxes[0].try_reserve(ONE).unwrap().send(Command::Publish { items, reply });
        };
        let [(each, alone)] = costs(1, send)[..] else { panic!("one shard") };
        // Returning the capacity; the atomics of crossbeam's queue are not counted here.
        assert!(each <= 1 && alone <= 1, "{each} {alone}");
    });
}
