//! The floor: what the kernel asks for putting one message on N sockets.
//!
//! A WebSocket upgrade, then every message of a publisher (path `/pub`) goes as one frame to every
//! other connection. No protocol, no bookkeeping, nothing is ever read from a subscriber. Several
//! publishes that wait together leave as one send per subscriber. A publisher on `/many` sends the
//! channel, a line feed and the message to the connections of `/sub/CHANNEL,…`. Two ways to send:
//! `ring`, one io_uring with registered files, and `loop`, plain `send`. What the two reach, the
//! better of both, is the bar of docs/BENCHMARKS.md.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsFd;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;
use uringcast_benches::bare_ring::{BareRing, Short};
use uringcast_benches::baseline::{ClientMessages, upgrade};
use uringcast_loadgen::frame::{Opcode, write_header};
use uringcast_loadgen::process;

/// A bare server: the floor other servers are compared with.
#[derive(Parser)]
struct Args {
    /// How to send.
    #[arg(long, value_parser = ["ring", "loop"], default_value = "ring")]
    mode: String,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// Bytes joined into one send at most.
    #[arg(long, default_value_t = 256 << 10)]
    join: usize,
}

/// Registered files of one ring at most.
const MAX_SLOTS: u64 = 1 << 20;
const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

enum Sender {
    /// The ring, the slots in use, and the empty ones.
    Ring(Box<BareRing>, Vec<u32>, Vec<u32>),
    Loop(Vec<TcpStream>),
}

impl Sender {
    /// Returns the number of the subscriber.
    fn add(&mut self, subscriber: TcpStream) -> std::io::Result<u32> {
        Ok(match self {
            Sender::Ring(ring, slots, empty) => {
                let slot = empty.pop().unwrap_or(slots.len() as u32);
                ring.place(slot, &subscriber)?;
                slots.push(slot);
                slot
            }
            Sender::Loop(sockets) => {
                // Without a sweep in between a closed subscriber would keep its descriptor.
                if sockets.len() % 4096 == 4095 {
                    sockets.retain(is_there);
                }
                sockets.push(subscriber);
                sockets.len() as u32 - 1
            }
        })
    }

    /// One send to each, then the rest to those that did not take all.
    fn sweep(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let (mut short, mut dead): (Vec<Short>, Vec<u32>) = (Vec::new(), Vec::new());
        match self {
            Sender::Ring(ring, slots, empty) => {
                let sends = slots.iter().map(|slot| (*slot, bytes));
                ring.sweep(sends, &mut short, &mut dead)?;
                ring.finish(bytes, &mut short, &mut dead)?;
                if !dead.is_empty() {
                    let gone: HashSet<u32> = dead.drain(..).collect();
                    slots.retain(|slot| !gone.contains(slot));
                    for slot in &gone {
                        ring.clear(*slot)?;
                    }
                    empty.extend(gone);
                }
            }
            Sender::Loop(sockets) => {
                for (index, socket) in sockets.iter().enumerate() {
                    match SockRef::from(socket).send_with_flags(bytes, FLAGS) {
                        Ok(taken) if taken == bytes.len() => {}
                        Ok(taken) => short.push((index as u32, taken)),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            short.push((index as u32, 0));
                        }
                        Err(_) => dead.push(index as u32),
                    }
                }
                for (index, taken) in short {
                    if (&sockets[index as usize]).write_all(&bytes[taken..]).is_err() {
                        dead.push(index);
                    }
                }
                dead.sort_unstable();
                for index in dead.into_iter().rev() {
                    sockets.swap_remove(index as usize);
                }
            }
        }
        Ok(())
    }
}

/// What a publisher's read holds for many channels: which subscriber gets which bytes of `out`.
#[derive(Default)]
struct Parcels {
    out: Vec<u8>,
    /// By subscriber; ranges that follow each other are one.
    ranges: Vec<Vec<Range<usize>>>,
    /// Subscribers that get something.
    to: Vec<u32>,
}

impl Parcels {
    fn add(&mut self, channels: &HashMap<Vec<u8>, Vec<u32>>, opcode: Opcode, payload: &[u8]) {
        let Some(end) = payload.iter().position(|byte| *byte == b'\n') else { return };
        let (start, message) = (self.out.len(), &payload[end + 1..]);
        write_header(&mut self.out, opcode, message.len(), None);
        self.out.extend_from_slice(message);
        let end_of_frame = self.out.len();
        for &subscriber in channels.get(&payload[..end]).into_iter().flatten() {
            let index = subscriber as usize;
            if index >= self.ranges.len() {
                self.ranges.resize(index + 1, Vec::new());
            }
            let ranges = &mut self.ranges[index];
            if ranges.is_empty() {
                self.to.push(subscriber);
            }
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end_of_frame,
                _ => ranges.push(start..end_of_frame),
            }
        }
    }

    /// What each subscriber gets, joined. What several get is joined once.
    fn joined(&mut self) -> Vec<(u32, Range<usize>)> {
        let mut known: HashMap<Vec<Range<usize>>, Range<usize>> = HashMap::new();
        let mut joined = Vec::with_capacity(self.to.len());
        for subscriber in self.to.drain(..) {
            let ranges = &mut self.ranges[subscriber as usize];
            let range = match ranges.as_slice() {
                [one] => one.clone(),
                several => match known.get(several) {
                    Some(range) => range.clone(),
                    None => {
                        let start = self.out.len();
                        several.iter().for_each(|part| self.out.extend_from_within(part.clone()));
                        known.insert(several.to_vec(), start..self.out.len());
                        start..self.out.len()
                    }
                },
            };
            ranges.clear();
            joined.push((subscriber, range));
        }
        joined
    }

    /// Sends everything. No subscriber may be full or gone: this floor keeps no state for it.
    fn send(&mut self, sender: &mut Sender) -> std::io::Result<()> {
        let joined = self.joined();
        let mut sends = joined.iter().map(|(to, range)| (*to, &self.out[range.clone()]));
        match sender {
            Sender::Ring(ring, _, _) => {
                let (mut short, mut dead) = (Vec::new(), Vec::new());
                ring.sweep(sends, &mut short, &mut dead)?;
                if !(short.is_empty() && dead.is_empty()) {
                    return Err(std::io::Error::other("a subscriber was full or gone"));
                }
            }
            Sender::Loop(sockets) => sends.try_for_each(|(to, bytes)| {
                SockRef::from(&sockets[to as usize]).send_with_flags(bytes, FLAGS).map(drop)
            })?,
        }
        self.out.clear();
        Ok(())
    }
}

/// Whether the peer has not closed.
fn is_there(socket: &TcpStream) -> bool {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    !matches!(SockRef::from(socket).recv_with_flags(&mut [MaybeUninit::uninit()], flags), Ok(0))
}

/// A publisher and what it has sent so far.
struct Publisher {
    stream: TcpStream,
    messages: ClientMessages,
    many: bool,
    parcels: Parcels,
}

/// Takes what a publisher has sent and sweeps it. Returns whether the publisher is still there.
fn serve(
    publisher: &mut Publisher,
    sender: &mut Sender,
    channels: &HashMap<Vec<u8>, Vec<u32>>,
    buffer: &mut [u8],
    join: usize,
) -> std::io::Result<bool> {
    let mut out = Vec::new();
    let Publisher { stream, messages, many, parcels } = publisher;
    loop {
        let read = match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return Ok(false),
        };
        let mut failed = None;
        messages.feed(&buffer[..read], |opcode, payload| {
            if *many {
                return parcels.add(channels, opcode, payload);
            }
            if !out.is_empty() && out.len() + payload.len() > join {
                failed = failed.take().or(sender.sweep(&out).err());
                out.clear();
            }
            write_header(&mut out, opcode, payload.len(), None);
            out.extend_from_slice(payload);
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if read < buffer.len() {
            break;
        }
    }
    if !out.is_empty() {
        sender.sweep(&out)?;
    }
    parcels.send(sender)?;
    Ok(true)
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let limit = process::raise_file_limit()?.min(MAX_SLOTS);
    let mut sender = match args.mode.as_str() {
        "ring" => Sender::Ring(Box::new(BareRing::new(limit as u32)?), Vec::new(), Vec::new()),
        _ => Sender::Loop(Vec::new()),
    };
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    eprintln!("floor ({}) listens on {}", args.mode, listener.local_addr()?);
    let mut publishers: Vec<Publisher> = Vec::new();
    let mut channels: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::IN)];
        for publisher in &publishers {
            polled.push(PollFd::from_borrowed_fd(publisher.stream.as_fd(), PollFlags::IN));
        }
        poll(&mut polled, None)?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut there = Vec::new();
        for (publisher, ready) in publishers.iter_mut().zip(&ready[1..]) {
            there.push(!ready || serve(publisher, &mut sender, &channels, &mut buffer, args.join)?);
        }
        let mut there = there.into_iter();
        publishers.retain(|_| there.next().unwrap_or(true));
        while ready[0]
            && let Ok((mut stream, _)) = listener.accept()
        {
            stream.set_nodelay(true)?;
            match upgrade(&mut stream).as_deref() {
                Ok(path @ ("/pub" | "/many")) => {
                    stream.set_nonblocking(true)?;
                    let many = path == "/many";
                    publishers.push(Publisher {
                        stream,
                        messages: ClientMessages::default(),
                        many,
                        parcels: Parcels::default(),
                    });
                }
                Ok(path) => {
                    let subscriber = sender.add(stream)?;
                    for channel in path.strip_prefix("/sub/").into_iter().flat_map(|c| c.split(','))
                    {
                        channels.entry(channel.into()).or_default().push(subscriber);
                    }
                }
                Err(error) => eprintln!("floor: refused: {error}"),
            }
        }
    }
}
