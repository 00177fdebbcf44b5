//! Connecting, and what a connection that does nothing costs in memory.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connect::{Connector, Wish};
use crate::cost::Meter;
use crate::modes::Target;

/// How long the server gets to come to rest before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// Connections upgraded a second. They are closed afterwards.
pub(crate) fn connect(target: &Target, count: usize) -> io::Result<Value> {
    let mut connector = Connector::new(target.server, target.net.wrapping_add(100));
    let channel = ["bench".to_owned()];
    let wish = |_| Wish {
        path: target.dialect.subscriber_path(&channel),
        hello: Vec::new(),
        replies: 0,
        reply: "",
    };
    let mut open = Vec::with_capacity(count);
    let start = Instant::now();
    connector.open((0..count).map(wish), |stream| open.push(stream))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(json!({ "command": format!("connect {count}"), "rate": count as f64 / seconds }))
}

/// Anonymous memory of the server and slab of the kernel per idle connection with one
/// subscription, between `from` and `to` of them.
pub(crate) fn memory(target: &Target, meter: Meter, from: usize, to: usize) -> io::Result<Value> {
    let mut connector = Connector::new(target.server, target.net.wrapping_add(100));
    let channel = ["bench".to_owned()];
    let wish = |_| {
        let (hello, replies) = target.dialect.subscribe(&channel);
        let path = target.dialect.subscriber_path(&channel);
        Wish { path, hello, replies, reply: target.dialect.subscribed() }
    };
    let mut open = Vec::with_capacity(to);
    let mut read = Vec::new();
    for count in [from, to] {
        let more = count - open.len();
        connector.open((0..more).map(wish), |stream| open.push(stream))?;
        std::thread::sleep(REST);
        read.push((meter.anonymous() as f64 * 1024.0, Meter::slab() as f64 * 1024.0));
    }
    let per = |bytes: f64| bytes / (to - from) as f64;
    Ok(json!({
        "command": format!("idle {from} {to}"),
        "bytes_per_connection": per(read[1].0 - read[0].0),
        "slab_per_connection": per(read[1].1 - read[0].1),
    }))
}
