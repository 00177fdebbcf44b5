//! An engine that sends every message back, for conformance suites:
//! `cargo run --example echo -- 127.0.0.1:9001`. Ends when its standard input does.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use uringcast_engine::{ChannelPattern, ClassRule, Compression, Config, Engine, Protocol, Service};

/// Compression where a client offers it, and room for the suites: their largest message is 16 MiB,
/// and they may be slow to read its echo.
pub(crate) fn config(listen: SocketAddr) -> Config {
    let mut all = ClassRule::new(ChannelPattern::parse("*").expect("a pattern"));
    all.compression = Some(Compression::Twin);
    let service = Service {
        listen: vec![listen],
        protocol: Protocol::Echo,
        max_message: 64 << 20,
        message_rate: 0,
        classes: vec![all],
        ..Service::default()
    };
    Config { max_outbox: 128 << 20, metrics: false, ..Config::from(service) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into()).parse()?;
    let engine = Engine::start(config(listen))?;
    println!("ws://{}", engine.local_addrs()[0]);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let report = engine.drain(Duration::from_secs(10));
    println!("{report:?}");
    Ok(())
}
