//! What TLS connections cost a server: full and resumed handshakes a second, memory when idle.
//!
//! `handshakes full|resumed|idle ADDRESS CONNECTIONS PID x25519|p256|hybrid [PATH]`, against any
//! WebSocket server that speaks TLS. PID is that server's process: its CPU time or memory is
//! printed. The last word is the key exchange: one the server would not choose by itself costs it a
//! round trip more. Nothing is verified: that would be the client's cost. `benches/tls/run` runs it
//! against ours and a peer's.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::exit;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::client::Resumption;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::kx_group;
use socket2::SockRef;
use uringcast_benches::client::Client;
use uringcast_benches::proc_usage::cpu_time;
use uringcast_benches::tls;
use uringcast_loadgen::transport::Tls;

/// Clients that shake hands at the same time.
const CLIENTS: usize = 4;
/// Connections after which an idle server's buffers and pools are what they will be.
const WARM: usize = 1_000;
/// Bytes of a page.
const PAGE: f64 = 4096.0;

/// Of the upgrade.
static PATH: OnceLock<String> = OnceLock::new();

type Group = &'static dyn SupportedKxGroup;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (words, path) = match words.as_slice() {
        [words @ .., path] if words.len() == 5 => (words, path.clone()),
        words => (words, "/".to_owned()),
    };
    let [mode, address, connections, pid, group] = words else {
        eprintln!(
            "usage: handshakes full|resumed|idle ADDRESS CONNECTIONS PID x25519|p256|hybrid [PATH]"
        );
        exit(2);
    };
    let _ = PATH.set(path);
    let run = || -> Result<String> {
        let (address, connections) = (address.parse()?, connections.parse()?);
        let pid = pid.parse()?;
        let group = match group.as_str() {
            "x25519" => kx_group::X25519,
            "p256" => kx_group::SECP256R1,
            "hybrid" => kx_group::X25519MLKEM768,
            _ => return Err("the last word is x25519, p256 or hybrid".into()),
        };
        match mode.as_str() {
            "full" => rate(address, connections, pid, HandshakeKind::Full, group),
            "resumed" => rate(address, connections, pid, HandshakeKind::Resumed, group),
            "idle" => idle(address, connections, pid, group),
            _ => Err("the first word is full, resumed or idle".into()),
        }
    };
    match run() {
        Ok(line) => println!("{mode} {group}: {line}"),
        Err(error) => {
            eprintln!("error: {error}");
            exit(2);
        }
    }
}

/// Connects, shakes hands and upgrades, one connection after the other in each thread.
fn rate(
    address: SocketAddr,
    connections: usize,
    pid: u32,
    kind: HandshakeKind,
    group: Group,
) -> Result<String> {
    let each = connections / CLIENTS;
    let configs: Vec<_> =
        (0..CLIENTS).map(|_| config(kind == HandshakeKind::Resumed, group)).collect();
    for config in &configs {
        open(address, config)?; // Brings the tickets.
    }
    let (before, start) = (cpu_time(pid)?, Instant::now());
    let clients: Vec<_> = configs
        .into_iter()
        .map(|config| {
            std::thread::spawn(move || -> Result<()> {
                for _ in 0..each {
                    let made = open(address, &config)?.transport.handshake_kind();
                    if made != Some(kind) {
                        return Err(format!("a handshake was {made:?}").into());
                    }
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    let (took, used) = (start.elapsed().as_secs_f64(), cpu_time(pid)? - before);
    let made = (each * CLIENTS) as f64;
    Ok(format!(
        "{:.0} connections/s, {:.0} µs of the server's CPU each",
        made / took,
        used / made * 1e6
    ))
}

/// Opens connections, keeps them and reads the server's memory.
fn idle(address: SocketAddr, connections: usize, pid: u32, group: Group) -> Result<String> {
    let config = config(false, group);
    let mut kept = Vec::new();
    let mut warm = (0, 0.0);
    while kept.len() < connections {
        kept.push(open(address, &config)?);
        if kept.len() == WARM.min(connections / 2) {
            warm = (kept.len(), memory(pid)?);
        }
    }
    // The server's last handshakes are over, and what it frees lazily is freed.
    std::thread::sleep(Duration::from_secs(1));
    let grown = memory(pid)? - warm.1;
    let each = grown / (kept.len() - warm.0) as f64;
    Ok(format!("{each:.0} bytes of resident memory a connection, {} open", kept.len()))
}

fn config(resumption: bool, group: Group) -> Tls {
    let kept = if resumption { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    tls::client(group, kept)
}

/// A connection after its upgrade.
fn open(address: SocketAddr, tls: &Tls) -> Result<Client> {
    let stream = TcpStream::connect(address)?;
    // Closed by a reset: no port waits for a minute afterwards.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    let path = PATH.get().map_or("/", String::as_str);
    Ok(Client::upgrade(stream, Some(tls), "localhost", path)?)
}

/// Bytes of resident memory.
fn memory(pid: u32) -> io::Result<f64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    Ok(pages.unwrap_or(0.0) * PAGE)
}
