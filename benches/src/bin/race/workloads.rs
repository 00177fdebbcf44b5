//! The ways to measure. All check every delivery.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uringcast_benches::proc_usage::{Meter, Usage, clock};

use crate::clients::Clients;
use crate::deliveries::Faults;
use crate::envelope::MIN_PAYLOAD;

/// Silence after which what is still in flight is given up as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long warming up lasts, and how many bytes it may deliver.
const WARM_UP: Duration = Duration::from_millis(50);
const WARM_UP_BYTES: usize = 256 << 20;
/// How long still receivers must stay unchanged for a burst to count as over.
const SETTLED: Duration = Duration::from_millis(5);
/// How often still receivers are looked at: about a hundred times a sweep.
fn look(connections: usize) -> Duration {
    Duration::from_nanos(25 * connections as u64).max(Duration::from_micros(25))
}

/// Does what a command says.
pub(crate) fn run(clients: &mut Clients, meter: Meter, words: &[&str]) -> io::Result<Value> {
    let [mode, what, payload, length] = words else {
        return Err(io::Error::other(format!("not understood: {}", words.join(" "))));
    };
    let payload: usize = number(payload)?;
    if payload < MIN_PAYLOAD {
        return Err(io::Error::other(format!("a payload has at least {MIN_PAYLOAD} bytes")));
    }
    clients.payload = payload;
    clients.deliveries.faults = Faults::default();
    clients.refusal = None;
    let mut answer = match *mode {
        "window" => window(clients, meter, Refill::Each, number(what)?, number(length)?)?,
        "burst" => window(clients, meter, Refill::All, number(what)?, number(length)?)?,
        "still" => still(clients, meter, number(what)?, number(length)?)?,
        "rate" => rate(clients, meter, number(what)?, number(length)?)?,
        _ => return Err(io::Error::other(format!("no such command: {mode}"))),
    };
    let Faults { lost, repeated, misshapen, strange, closed } = &clients.deliveries.faults;
    answer["command"] = json!(words.join(" "));
    answer["payload"] = json!(payload);
    answer["lost"] = json!(lost);
    answer["repeated"] = json!(repeated);
    answer["misshapen"] = json!(misshapen);
    answer["closed"] = json!(closed);
    answer["strange"] = json!(strange);
    answer["refusal"] = json!(clients.refusal);
    Ok(answer)
}

/// When further messages are published.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refill {
    /// One for each that has left flight.
    Each,
    /// All at once, when none is in flight.
    All,
}

/// `width` messages in flight: one leaves flight when its last subscriber has it.
fn window(
    clients: &mut Clients,
    meter: Meter,
    refill: Refill,
    width: usize,
    seconds: f64,
) -> io::Result<Value> {
    let deliveries = clients.deliveries.layout.subscribers as usize;
    let warm_up = (WARM_UP_BYTES / (deliveries * (clients.payload + 300))).max(1);
    fly(clients, refill, width, Instant::now() + WARM_UP, warm_up)?;
    let (before, published) = (clients.deliveries.count, clients.deliveries.published);
    let then = meter.read();
    let until = then.at + Duration::from_secs_f64(seconds);
    let last = fly(clients, refill, width, until, usize::MAX)?;
    let usage = meter.since(then);
    let wall = (last - then.at).as_secs_f64();
    let published = clients.deliveries.published - published;
    Ok(report(clients.deliveries.count - before, published, wall, usage, width))
}

fn fly(
    clients: &mut Clients,
    refill: Refill,
    width: usize,
    until: Instant,
    most: usize,
) -> io::Result<Instant> {
    let mut published = 0;
    let (mut last, mut now) = (Instant::now(), Instant::now());
    while now < until && published < most {
        let before = published;
        let waits = refill == Refill::All && clients.deliveries.in_flight > 0;
        while !waits && clients.deliveries.in_flight < width && published < most {
            clients.publish();
            published += 1;
        }
        if published > before {
            clients.flush()?;
        }
        let taken = clients.turn(Duration::from_millis(100))?;
        now = Instant::now();
        if taken > 0 {
            last = now;
        } else if now - last > PATIENCE {
            clients.deliveries.give_up();
        }
        clients.deliveries.completed.clear();
    }
    let drained = clients.drain(PATIENCE)?;
    Ok(if clients.deliveries.faults.lost > 0 { last } else { drained })
}

/// Bursts while no subscriber reads. A burst of one is over when every socket has something, and
/// its wall time is the sweep's; of a larger one it is the time until every socket has something,
/// and the burst is over when nothing has changed for a while. Then all read.
/// The core's busy time is the sweeps' own: reading keeps only the other core busy.
fn still(clients: &mut Clients, meter: Meter, width: usize, bursts: usize) -> io::Result<Value> {
    let connections = clients.deliveries.layout.connections as usize;
    let mut walls = Vec::new();
    let mut seen = vec![false; connections];
    let (mut before, mut published) = (0, 0);
    let mut then = meter.read();
    for burst in 0..=bursts {
        if burst == 1 {
            // The first one warmed up.
            walls.clear();
            (before, published) = (clients.deliveries.count, clients.deliveries.published);
            then = meter.read();
        }
        seen.fill(false);
        let start = Instant::now();
        for _ in 0..width {
            clients.publish();
        }
        let (mut arrived, mut last) = (0, start);
        while arrived < connections || (width > 1 && last.elapsed() < SETTLED) {
            clients.flush()?;
            std::thread::sleep(look(connections));
            let new = clients.look(&mut seen)?;
            if new > 0 {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                break;
            }
            arrived += new;
        }
        walls.push((last - start).as_secs_f64());
        for connection in 0..connections {
            clients.take(connection, false)?;
        }
        clients.drain(PATIENCE)?;
        clients.deliveries.completed.clear();
    }
    let usage = meter.since(then);
    let deliveries = clients.deliveries.count - before;
    let wall = walls.iter().sum();
    walls.sort_by(f64::total_cmp);
    let usage = Usage { wall, ..usage };
    let published = clients.deliveries.published - published;
    let mut answer = report(deliveries, published, wall, usage, width);
    let subscribers = f64::from(clients.deliveries.layout.subscribers);
    answer["sweep_us_per_delivery"] = json!(walls[walls.len() / 2] * 1e6 / subscribers);
    Ok(answer)
}

/// Open loop: messages leave when they are due, whatever became of the earlier ones.
fn rate(clients: &mut Clients, meter: Meter, rate: f64, seconds: f64) -> io::Result<Value> {
    let count = (rate * seconds).ceil().max(1.0) as u32;
    let (before, first) = (clients.deliveries.count, clients.deliveries.published);
    let (then, began) = (meter.read(), clock());
    let due = |n: u32| then.at + Duration::from_secs_f64(f64::from(n) / rate);
    let (mut sent, mut latencies) = (0, Vec::new());
    let mut heard = Instant::now();
    while sent < count || clients.deliveries.in_flight > 0 {
        let mut now = Instant::now();
        let mut published = false;
        while sent < count && due(sent) <= now {
            clients.publish();
            (sent, published) = (sent + 1, true);
        }
        if published {
            clients.flush()?;
        }
        // epoll counts in milliseconds: the last one before a publish is waited out awake.
        let patience = match sent < count {
            true => due(sent).saturating_duration_since(now).as_millis() as u64 / 2,
            false => 10,
        };
        let taken = clients.turn(Duration::from_millis(patience))?;
        now = Instant::now();
        if taken > 0 || sent < count {
            heard = now;
        } else if now - heard > PATIENCE {
            clients.deliveries.give_up();
        }
        for number in clients.deliveries.completed.drain(..) {
            latencies.push((now - due(number - first)).as_secs_f64() * 1e6);
        }
    }
    let usage = meter.since(then);
    let mut answer = report(clients.deliveries.count - before, sent, usage.wall, usage, 0);
    let rounded: Vec<f64> = latencies.iter().map(|us| us.round()).collect();
    answer["latencies_us"] = json!(rounded);
    answer["began"] = json!(began);
    Ok(answer)
}

fn report(deliveries: u64, published: u32, wall: f64, usage: Usage, width: usize) -> Value {
    let per = |seconds: f64| seconds * 1e6 / deliveries.max(1) as f64;
    json!({
        "width": width,
        "seconds": wall,
        "messages": published,
        "deliveries": deliveries,
        "rate": deliveries as f64 / wall,
        "core_us_per_delivery": per(usage.core),
        "process_us_per_delivery": per(usage.process),
    })
}

/// A number of a command.
pub(crate) fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("{word} is not a number")))
}
