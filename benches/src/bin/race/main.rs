//! The load of the races: N subscribers and a WebSocket publisher of one server, whatever it is.
//!
//! It connects, then does what the lines of its standard input (or its last arguments) say, one
//! after the other, and prints one JSON object for each. Every delivery of every subscriber is
//! checked: number, order, length. docs/BENCHMARKS.md explains the figures.

mod clients;
mod connect;
mod deliveries;
mod envelope;
mod idle;
mod server_protocol;
mod workloads;

use std::io::{self, BufRead};
use std::net::SocketAddr;

use clap::Parser;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::kx_group;
use serde_json::{Value, json};
use uringcast_benches::proc_usage::Meter;
use uringcast_benches::tls;
use uringcast_loadgen::process;

use clients::Clients;
use connect::Target;
use deliveries::Layout;
use server_protocol::ServerProtocol;
use workloads::number;

/// Races one server: subscribers, a publisher, and a check of every delivery.
#[derive(Parser)]
#[command(after_help = "\
Commands, from the arguments or from standard input, one a line:
  window W P SECONDS        W messages of P bytes in flight
  burst W P SECONDS         W messages of P bytes at once, again when all have arrived
  still W P BURSTS          bursts of W while nobody reads, then everybody
  rate R P SECONDS          R messages a second, open loop; latencies to the last subscriber
  connect N [M]             connects and upgrades N further connections, M (64) of them at a time,
                            and closes them
  idle FROM TO FURTHER      memory of the server from FROM to TO idle connections, and of so many
                            further subscriptions of each
Arguments separate words by colons: window:16:128:0.5")]
struct Args {
    /// What the server speaks.
    #[arg(long, value_enum)]
    dialect: ServerProtocol,
    /// The server's address.
    #[arg(long)]
    server: SocketAddr,
    /// The server's process.
    #[arg(long)]
    pid: Option<u32>,
    /// The core the server is pinned to.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Subscribers of each channel.
    #[arg(long, default_value_t = 1000)]
    subscribers: u32,
    /// Channels.
    #[arg(long, default_value_t = 1)]
    channels: u32,
    /// Connections that share all subscriptions; 0: one each.
    #[arg(long, default_value_t = 0)]
    connections: u32,
    /// Client addresses are 127.77.NET.x: one of its own for each race.
    #[arg(long, default_value_t = 1)]
    net: u8,
    /// Speak TLS, whatever the server's certificate.
    #[arg(long)]
    tls: bool,
    /// Take up TLS sessions.
    #[arg(long, requires = "tls")]
    resume: bool,
    /// What to do.
    commands: Vec<String>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    process::raise_file_limit()?;
    let all = args.subscribers * args.channels;
    let connections = if args.connections == 0 { all } else { args.connections };
    let layout = Layout { channels: args.channels, subscribers: args.subscribers, connections };
    let meter = Meter { pid: args.pid, core: args.core };
    let tls = args.tls.then(|| {
        let kept = if args.resume { tls::resumption() } else { Resumption::disabled() };
        tls::client(kx_group::SECP256R1, kept)
    });
    let target = Target { protocol: args.dialect, server: args.server, net: args.net, tls };
    let mut clients: Option<Clients> = None;
    let mut measure = |line: &str| -> io::Result<Value> {
        let words: Vec<&str> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["connect", n] => idle::connect(&target, meter, number(n)?, None),
            ["connect", n, m] => idle::connect(&target, meter, number(n)?, Some(number(m)?)),
            ["idle", from, to, further] => {
                idle::memory(&target, meter, [number(from)?, number(to)?, number(further)?])
            }
            _ => {
                let clients = match &mut clients {
                    Some(clients) => clients,
                    none => none.insert(Clients::connect(&target, layout)?),
                };
                workloads::run(clients, meter, &words)
            }
        }
    };
    let mut run = |line: &str| -> io::Result<()> {
        let failed = |error: io::Error| json!({ "command": line, "failed": error.to_string() });
        println!("{}", measure(line).unwrap_or_else(failed));
        Ok(())
    };
    if args.commands.is_empty() {
        io::stdin().lock().lines().try_for_each(|line| run(&line?))
    } else {
        args.commands.iter().try_for_each(|command| run(command))
    }
}
