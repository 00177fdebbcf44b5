//! What a small channel waits while a huge one is published at full rate.
//!
//! One engine with one shard on the first core; everything else on the second. The huge channel's
//! receivers are held still but for the last: its copy asks for the next message. Meanwhile the
//! small channel gets 100 messages a second; only those published while a sweep is under way count.
//! With `--mailbox W` the huge channel is published from inside the process instead, W messages
//! waiting for the shard at any time, and all its receivers are read: what then bounds a turn is
//! `TURN_MESSAGES`. With `--recover M` the huge channel is still, and its clients come back all at
//! once, again and again: each subscribes since M messages ago, reads them and leaves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use uringcast_benches::client::{Client, client_text, pin, publish, quartiles};
use uringcast_engine::{
    ChannelName, Config, Engine, EventName, JsonObject, Publication, Publisher, Service, ServiceId,
};
use uringcast_loadgen::process;

/// A small channel beside a huge one.
#[derive(Parser)]
struct Args {
    /// Subscribers of the huge channel.
    #[arg(long, default_value_t = 10_000)]
    huge: usize,
    /// Subscribers of the small channel.
    #[arg(long, default_value_t = 10)]
    small: usize,
    /// Seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Messages that wait in the shard's mailbox; 0: a client publishes.
    #[arg(long, default_value_t = 0)]
    mailbox: usize,
    /// Messages that each client of the huge channel fetches when it comes back; 0: none.
    #[arg(long, default_value_t = 0)]
    recover: usize,
    /// Bytes of text in a message of the huge channel.
    #[arg(long, default_value_t = 128)]
    bytes: usize,
}

/// Text of the huge channel between two readings of its receivers: less than they have room for.
const UNREAD: usize = 40 * 128;

type Failure = Box<dyn std::error::Error>;

/// The publisher and the subscribers of a channel.
fn channel(
    to: SocketAddr,
    name: &str,
    count: usize,
    subscribed: bool,
) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::with_capacity(count + 1);
    for place in 0..=count {
        let (mut client, _) = Client::open(to)?;
        if place > 0 && subscribed {
            client.subscribe(name)?;
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Publishes at full rate until `end`; returns ns per delivery of each round.
fn flood(
    clients: &mut [Client],
    bytes: usize,
    end: Instant,
    sweeping: &AtomicBool,
) -> std::io::Result<Vec<f64>> {
    let message = publish("huge:0", bytes);
    let round = (UNREAD / bytes).max(2);
    let (last, receivers) = (clients.len() - 1, clients.len() - 1);
    let mut rounds = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        sweeping.store(true, Ordering::SeqCst);
        for sent in 0..round + 1 {
            // Two in flight: the shard is never idle.
            if sent < round {
                clients[0].write_all(&message)?;
            }
            if sent > 0 {
                clients[last].one_frame()?;
            }
        }
        sweeping.store(false, Ordering::SeqCst);
        rounds.push(start.elapsed().as_nanos() as f64 / (round * receivers) as f64);
        clients[..last].iter_mut().try_for_each(Client::drain)?;
    }
    Ok(rounds)
}

/// Publishes into the mailbox at full rate until `end`, `waiting` messages at a time; returns ns
/// per message of each thousand.
fn pour(
    clients: &mut [Client],
    publisher: &Publisher,
    (waiting, bytes): (usize, usize),
    end: Instant,
    sweeping: &AtomicBool,
) -> Result<Vec<f64>, Failure> {
    let publication = Publication {
        channel: ChannelName::parse("huge:0")?,
        event: EventName::parse("bench")?,
        data: JsonObject::parse(format!(r#"{{"x":"{}"}}"#, "a".repeat(bytes)).as_bytes())?,
        key: None,
    };
    let (mut tickets, mut rounds) = (VecDeque::new(), Vec::new());
    sweeping.store(true, Ordering::SeqCst);
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..1_000 {
            if tickets.len() >= waiting
                && let Some(oldest) = tickets.pop_front()
            {
                uringcast_engine::Ticket::wait(oldest)?;
            }
            tickets.push_back(publisher.try_publish(publication.clone())?);
        }
        rounds.push(start.elapsed().as_nanos() as f64 / 1e3);
        clients.iter_mut().try_for_each(Client::drain)?;
    }
    Ok(rounds)
}

/// Lets all clients come back at once until `end`, each for all messages; returns ns
/// per message of each round.
fn storm(
    clients: &mut [Client],
    messages: usize,
    end: Instant,
    sweeping: &AtomicBool,
) -> Result<Vec<f64>, Failure> {
    let request = |event: &str, rest: &str| {
        let data = format!(r#"{{"channel":"huge:0"{rest}}}"#);
        client_text(&format!(r#"{{"id":"1","type":"request","event":"{event}","data":{data}}}"#))
    };
    let leave = request("unsubscribe", "");
    for _ in 0..messages {
        clients[0].write_all(&publish("huge:0", 128))?;
        clients[0].one_frame()?;
    }
    clients[1].write_all(&request("subscribe", ""))?;
    let epoch = clients[1].message()?["data"]["epoch"].as_str().unwrap_or_default().to_owned();
    let since = format!(r#","since":{{"epoch":"{epoch}","seq":0}}"#);
    let come = request("subscribe", &since);
    clients[1].write_all(&leave)?;
    clients[1].one_frame()?;
    let mut rounds = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        sweeping.store(true, Ordering::SeqCst);
        clients[1..].iter_mut().try_for_each(|client| client.write_all(&come))?;
        for client in &mut clients[1..] {
            let mut left = messages + 1;
            while left > 0 {
                left = left.checked_sub(client.frames()?).ok_or("more than was missed")?;
            }
        }
        sweeping.store(false, Ordering::SeqCst);
        let fetched = messages * (clients.len() - 1);
        rounds.push(start.elapsed().as_nanos() as f64 / fetched as f64);
        clients[1..].iter_mut().try_for_each(|client| client.write_all(&leave))?;
        clients[1..].iter_mut().try_for_each(Client::one_frame)?;
    }
    Ok(rounds)
}

/// The small channel's load preempts the other on their core: what comes late was sent late.
fn hurry() {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let done = Command::new("chrt").args(["-f", "-p", "1", &thread]).status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!(
            "chrt cannot give the small channel's load priority: its waits include the load's"
        );
    }
}

/// Publishes a hundred times a second until `end`; returns what the last subscriber waited, in µs.
fn trickle(
    clients: &mut [Client],
    end: Instant,
    sweeping: &AtomicBool,
) -> std::io::Result<Vec<f64>> {
    let message = publish("small:0", 128);
    let last = clients.len() - 1;
    let (mut waits, mut next) = (Vec::new(), Instant::now());
    while next < end {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += Duration::from_millis(10);
        let (start, counts) = (Instant::now(), sweeping.load(Ordering::SeqCst));
        clients[0].write_all(&message)?;
        clients[last].one_frame()?;
        if counts && sweeping.load(Ordering::SeqCst) {
            waits.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
        clients[..last].iter_mut().try_for_each(Client::drain)?;
    }
    Ok(waits)
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    process::raise_file_limit()?;
    pin(0);
    let service = Service {
        listen: vec!["127.0.0.1:0".parse()?],
        max_connections: args.huge + args.small + 100,
        message_rate: 0,
        anonymous_publish: true,
        ..Service::default()
    };
    let keepalive = Duration::from_secs(3_600);
    let engine = Engine::start(Config { shards: Some(1), keepalive, ..Config::from(service) })?;
    pin(1);
    let to = engine.local_addrs()[0];
    let mut huge = channel(to, "huge:0", args.huge, args.recover == 0)?;
    let mut small = channel(to, "small:0", args.small, true)?;
    let (sweeping, end) =
        (AtomicBool::new(false), Instant::now() + Duration::from_secs(args.seconds));
    let publisher = engine.publisher(ServiceId(0));
    let (rounds, mut waits) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| match (args.mailbox, args.recover) {
            (0, 0) => {
                flood(&mut huge, args.bytes, end, &sweeping).map_err(|error| error.to_string())
            }
            (0, missed) => {
                storm(&mut huge, missed, end, &sweeping).map_err(|error| error.to_string())
            }
            (waiting, _) => pour(&mut huge, &publisher, (waiting, args.bytes), end, &sweeping)
                .map_err(|error| error.to_string()),
        });
        hurry();
        let waits = trickle(&mut small, end, &sweeping);
        (flood.join().expect("no panic"), waits)
    });
    let (rounds, [low, mid, high]) = match (rounds?, &mut waits) {
        (rounds, Ok(_)) => (rounds.len(), quartiles(rounds)),
        (_, Err(error)) => return Err(error.to_string().into()),
    };
    let mut waits = waits?;
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[(share * (waits.len() - 1) as f64) as usize];
    let of = if args.mailbox + args.recover > 0 { "message" } else { "delivery" };
    println!("huge channel, {} subscribers: {low:.0} {mid:.0} {high:.0} ns a {of}", args.huge);
    println!("({rounds} rounds; quartiles)");
    println!("small channel, {} subscribers, us: p50 {:.0}", args.small, at(0.5));
    println!("p99 {:.0}, most {:.0} of {}", at(0.99), at(1.0), waits.len());
    Ok(())
}
