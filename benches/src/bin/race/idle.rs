//! Connecting, and what a connection that does nothing costs in memory.

use std::io;
use std::time::Duration;

use rustls::HandshakeKind;
use serde_json::{Value, json};
use uringcast_benches::proc_usage::{Meter, clock};

use crate::connect::Target;

/// How long the server may settle before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// Connections upgraded a second. They are closed afterwards.
pub(crate) fn connect(
    target: &Target,
    meter: Meter,
    count: usize,
    under_way: Option<usize>,
) -> io::Result<Value> {
    let mut connector = target.connector(100);
    connector.under_way = under_way.unwrap_or(connector.under_way);
    let speech = target.speech(false);
    let start = |_: usize, host: &str, out: &mut Vec<u8>| speech.bare(host, "bench", out);
    let mut open = Vec::with_capacity(count);
    let (then, began) = (meter.read(), clock());
    connector.open(count, start, |one| open.push(one.transport))?;
    let (usage, ended) = (meter.since(then), clock());
    let resumed =
        open.iter().filter(|t| t.handshake_kind() == Some(HandshakeKind::Resumed)).count();
    Ok(json!({
        "command": format!("connect {count}"),
        "rate": count as f64 / usage.wall,
        "began": began,
        "ended": ended,
        "resumed": resumed,
        "core_us_per_connection": usage.core * 1e6 / count as f64,
        "process_us_per_connection": usage.process * 1e6 / count as f64,
    }))
}

/// Anonymous memory of the server and slab of the kernel per idle connection with one
/// subscription, between `from` and `to` of them; then per further subscription, if each makes
/// so many.
pub(crate) fn memory(
    target: &Target,
    meter: Meter,
    [from, to, further]: [usize; 3],
) -> io::Result<Value> {
    let mut connector = target.connector(100);
    let (speech, channel) = (target.speech(false), ["bench".to_owned()]);
    let start = |_: usize, host: &str, out: &mut Vec<u8>| speech.subscriber(host, &channel, out);
    let mut open = Vec::with_capacity(to);
    let mut read = Vec::new();
    for count in [from, to] {
        let more = count - open.len();
        connector.open(more, start, |one| open.push(one))?;
        std::thread::sleep(REST);
        read.push((meter.anonymous() as f64 * 1024.0, Meter::slab() as f64 * 1024.0));
    }
    let further = match further {
        0 => None,
        further => {
            let channels: Vec<String> =
                (0..further).map(|channel| format!("further{channel}")).collect();
            open.iter_mut().try_for_each(|one| one.subscribe_further(&channels))?;
            std::thread::sleep(REST);
            let grown = meter.anonymous() as f64 * 1024.0 - read[1].0;
            Some(grown / (to * further) as f64)
        }
    };
    let per = |bytes: f64| bytes / (to - from) as f64;
    Ok(json!({
        "command": format!("idle {from} {to}"),
        "bytes_per_connection": per(read[1].0 - read[0].0),
        "bytes_in_all_per_connection": read[1].0 / to as f64,
        "slab_per_connection": per(read[1].1 - read[0].1),
        "bytes_per_further_subscription": further,
    }))
}
