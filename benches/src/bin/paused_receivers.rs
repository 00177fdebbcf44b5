//! Sweeps with the receivers held still: what a delivery costs where nothing competes for the core.
//!
//! One process, one session: the engine with one shard, without metrics, with two shards, a bare
//! ring, and two of them on a core each, each with sockets of its own. They take turns, a round of
//! messages each; a round's receivers are read after it. A message is over when the last member of
//! every live set has it, which the driver reads. All figures are ratios within a round.
//!
//! The server has the first core (with two shards both), the driver the second, on which it sleeps.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use clap::Parser;
use uringcast_benches::bare_ring::BareRing;
use uringcast_benches::client::{Client, pin, publish, quartiles};
use uringcast_engine::telemetry::Count;
use uringcast_engine::{Config, Engine, Service};
use uringcast_loadgen::frame::{Opcode, write_header};
use uringcast_loadgen::process;

/// Sweeps with the receivers held still.
#[derive(Parser)]
struct Args {
    /// Subscribers of each side.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Bytes of a message's payload.
    #[arg(long, default_value_t = 128)]
    bytes: usize,
    /// Messages in flight.
    #[arg(long, default_value_t = 1)]
    flight: usize,
    /// Messages of a round: the receivers' buffers must hold them.
    #[arg(long, default_value_t = 10)]
    messages: usize,
    /// Rounds.
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// What takes turns; ratios are to the first.
    #[arg(long, value_delimiter = ',', default_value = "floor,one,silent,two,floors")]
    sides: Vec<String>,
}

/// Runs in front of the measured ones, until buffers have their sizes.
const WARM_UP: usize = 3;

/// One server and its receivers.
struct Side {
    name: String,
    /// One, or one for each bare ring.
    publishers: Vec<Client>,
    /// Held still.
    receivers: Vec<Client>,
    /// The last member of every live set.
    last: Vec<Client>,
    publish: Vec<u8>,
    engine: Option<Engine>,
    /// `io_uring_enter` calls of the delivery ring, and turns.
    enters: u64,
    turns: u64,
}

impl Side {
    /// An engine with `shards` shards and equally many subscribers on each.
    fn engine(args: &Args, name: &str) -> Result<Side, Box<dyn std::error::Error>> {
        let shards = if name == "two" { 2 } else { 1 };
        if shards == 1 {
            pin(0);
        }
        let service = Service {
            listen: vec!["127.0.0.1:0".parse()?],
            max_connections: shards * args.subscribers + 100,
            message_rate: 0,
            anonymous_publish: true,
            ..Service::default()
        };
        let config = Config {
            shards: Some(shards),
            keepalive: Duration::from_secs(3_600),
            metrics: name != "silent",
            ..Config::from(service)
        };
        let engine = Engine::start(config)?;
        pin(1);
        let to = engine.local_addrs()[0];
        let (publisher, _) = Client::open(to)?;
        let mut of_shard: Vec<Vec<Client>> = Vec::new();
        of_shard.resize_with(shards, Vec::new);
        while of_shard.iter().any(|clients| clients.len() < args.subscribers / shards) {
            let (mut client, shard) = Client::open(to)?;
            // The kernel chooses the shard; a connection too many is closed.
            if of_shard[shard].len() == args.subscribers / shards {
                continue;
            }
            client.subscribe("still:0")?;
            of_shard[shard].push(client);
        }
        let last = of_shard.iter_mut().filter_map(Vec::pop).collect();
        let receivers = of_shard.into_iter().flatten().collect();
        let (publish, name) = (publish("still:0", args.bytes), name.to_owned());
        let (engine, publishers) = (Some(engine), vec![publisher]);
        Ok(Side { name, publishers, receivers, last, publish, engine, enters: 0, turns: 0 })
    }

    /// Bare rings on a core each that share the subscribers and send a frame of `len` bytes to each
    /// of theirs for every publish. Receivers are greeted as long as those of an engine: how often
    /// TCP acknowledges, and with that what a send costs, follows from the first segments.
    fn floor(
        args: &Args,
        name: &str,
        (greeting, len): (usize, usize),
        publish: &[u8],
    ) -> std::io::Result<Side> {
        let rings = if name == "floors" { 2 } else { 1 };
        let (count, size, joined) = (args.subscribers / rings, publish.len(), args.flight);
        let (mut publishers, mut receivers, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for core in 0..rings {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let to = listener.local_addr()?;
            std::thread::spawn(move || {
                serve(&listener, core, count, (size, greeting, len), joined)
            });
            publishers.push(Client::connect(to, 0)?);
            for _ in 1..count {
                receivers.push(Client::connect(to, greeting)?);
            }
            last.push(Client::connect(to, greeting)?);
        }
        let (name, publish) = (name.to_owned(), publish.to_vec());
        Ok(Side { name, publishers, receivers, last, publish, engine: None, enters: 0, turns: 0 })
    }

    /// One round; returns its time in ns for each delivery.
    fn round(&mut self, args: &Args) -> std::io::Result<f64> {
        let burst = self.publish.repeat(args.flight);
        let (mut sent, mut got) = (args.flight.min(args.messages), vec![0; self.last.len()]);
        let start = Instant::now();
        self.publish(&burst[..sent * self.publish.len()])?;
        while got.iter().any(|got| *got < args.messages) {
            for (got, client) in got.iter_mut().zip(&mut self.last) {
                if *got < sent {
                    *got += client.frames()?;
                }
            }
            let done = got.iter().min().copied().unwrap_or(0);
            let more = (done + args.flight).min(args.messages) - sent;
            self.publish(&burst[..more * self.publish.len()])?;
            sent += more;
        }
        let ns = start.elapsed().as_nanos() as f64;
        self.receivers.iter_mut().chain(&mut self.publishers).try_for_each(Client::drain)?;
        if let Some(engine) = &self.engine {
            engine.collect(|snapshot| {
                self.enters += snapshot.counters.counts[Count::RingEnters as usize];
                self.turns += snapshot.own.turn.len();
            });
        }
        Ok(ns / (args.messages * args.subscribers) as f64)
    }

    fn publish(&mut self, publishes: &[u8]) -> std::io::Result<()> {
        self.publishers.iter_mut().try_for_each(|client| client.write_all(publishes))
    }
}

/// The floor's thread.
fn serve(
    listener: &TcpListener,
    core: usize,
    count: usize,
    (size, greeting, len): (usize, usize, usize),
    joined: usize,
) -> std::io::Result<()> {
    pin(core);
    let (mut publisher, _) = listener.accept()?;
    let mut ring = BareRing::new(count as u32)?;
    for slot in 0..count as u32 {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.write_all(&vec![b'x'; greeting])?;
        ring.place(slot, &stream)?;
    }
    let mut frame = Vec::new();
    write_header(&mut frame, Opcode::Text, len - 4, None);
    frame.resize(len, b'x');
    let (frames, slots) = (frame.repeat(joined), Vec::from_iter(0..count as u32));
    let (mut buffer, mut held) = (vec![0; 1 << 20], 0);
    loop {
        let read = publisher.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        held += read;
        let bytes = &frames[..held / size * len];
        held %= size;
        let (mut short, mut dead) = (Vec::new(), Vec::new());
        if !bytes.is_empty() {
            ring.sweep(slots.iter().map(|slot| (*slot, bytes)), &mut short, &mut dead)?;
        }
        assert!(short.is_empty() && dead.is_empty(), "a round's receivers hold all of it");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    process::raise_file_limit()?;
    // Two shards first: they need both cores, and a thread that is pinned stays pinned.
    let (floors, mut names): (Vec<&String>, Vec<&String>) =
        args.sides.iter().partition(|name| name.starts_with("floor"));
    names.sort_by_key(|name| *name != "two");
    let mut sides = Vec::new();
    for name in names {
        sides.push(Side::engine(&args, name)?);
    }
    if !floors.is_empty() {
        let first = sides.first_mut().ok_or("a floor needs a side to take its bytes from")?;
        first.publishers[0].write_all(&first.publish)?;
        let (greeting, len) = (first.last[0].greeting, first.last[0].frame_length()?);
        first.last[1..].iter_mut().try_for_each(|client| client.frames().map(drop))?;
        let publish = first.publish.clone();
        for name in floors {
            sides.push(Side::floor(&args, name, (greeting, len), &publish)?);
        }
    }
    sides.sort_by_key(|side| args.sides.iter().position(|name| *name == side.name));
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    for round in 0..WARM_UP + args.rounds {
        for step in 0..sides.len() {
            let at = (round + step) % sides.len();
            let ns = sides[at].round(&args)?;
            if round >= WARM_UP {
                rounds[at].push(ns);
            }
        }
    }
    report(&args, &sides, &rounds);
    Ok(())
}

fn report(args: &Args, sides: &[Side], rounds: &[Vec<f64>]) {
    let Args { subscribers, bytes, flight, .. } = args;
    println!("{subscribers} subscribers, {bytes} B, {flight} in flight: ns a delivery, quartiles");
    for (side, times) in sides.iter().zip(rounds) {
        let ratios = times.iter().zip(&rounds[0]).map(|(time, first)| time / first).collect();
        let ([low, mid, high], [a, ratio, b]) = (quartiles(times.clone()), quartiles(ratios));
        print!("{:8} {low:7.0} {mid:7.0} {high:7.0}", side.name);
        print!("   x {a:.3} {ratio:.3} {b:.3} of {}", sides[0].name);
        println!("   {} enters, {} turns", side.enters, side.turns);
    }
}
