//! What this machine's kernel supports, tested before a program relies on it.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::{IoUring, Probe, opcode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Config, PeerProcess, Ring, SlotKey};

/// What a ring submits: the kernel's name of the operation, and its code.
pub const OPERATIONS: [(&str, u8); 5] = [
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("RECV", opcode::Recv::CODE),
    ("SEND", opcode::Send::CODE),
    ("SHUTDOWN", opcode::Shutdown::CODE),
];

/// How long the kernel may take to report a byte that is there already, in seconds.
const PATIENCE: i64 = 1;

/// The sizes of a ring that holds one socket.
const PROBED: Config = Config {
    slots: 1,
    entries: 4,
    max_completions: 4,
    batch_entries: 1,
    batch_bytes: 1,
    receive_buffers: 1,
    receive_buffer: 1,
    patience: Duration::from_secs(1),
};

/// Makes a ring of these sizes, receives a byte over it and drops it. It shows what a list of
/// operations does not: setup flags, registered files, provided buffers, multishot, the limits of
/// memory and open files.
///
/// # Errors
/// The kernel's, and [`io::ErrorKind::TimedOut`] if the byte is not reported.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use uringcast_ring::{Config, probe};
///
/// probe::receive(&Config::new(100))?;
/// # Ok(())
/// # }
/// ```
pub fn receive(config: &Config) -> io::Result<()> {
    let mut ring: Ring<Vec<u8>> = Ring::new(config)?;
    let (mut peer, ours) = loopback()?;
    peer.write_all(&[0])?;
    let key = SlotKey::new(0);
    ring.place(key, &ours)?;
    let event = ring.event()?;
    ring.listen(true);
    ring.receive(key);
    ring.submit();
    if ring.is_quiet() {
        let wait = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
        poll(&mut [PollFd::new(&event, PollFlags::IN)], Some(&wait))?;
    }
    match ring.next().map(|completion| completion.result) {
        Some(1) => Ok(()),
        Some(result) if result < 0 => Err(io::Error::from_raw_os_error(-result)),
        _ => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// Hands a socket from one ring to another one, which it reaches as if it were another process's.
/// It shows SO_PEERPIDFD (Linux 6.5), pidfd_getfd(2), which a filter of system calls may refuse,
/// and the copying of registered files from ring to ring.
///
/// # Errors
/// The kernel's.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// uringcast_ring::probe::hand_over()?;
/// # Ok(())
/// # }
/// ```
pub fn hand_over() -> io::Result<()> {
    let (mut ours, theirs) = (Ring::<Vec<u8>>::new(&PROBED)?, Ring::<Vec<u8>>::new(&PROBED)?);
    let (one, _other) = UnixStream::pair()?;
    let remote = PeerProcess::of(&one)?.ring(theirs.own_descriptor())?;
    let key = SlotKey::new(0);
    ours.place(key, &one)?;
    ours.copy_to(key, &remote, 0);
    ours.wait();
    match ours.next().map(|completion| completion.result) {
        Some(result) if result < 0 => Err(io::Error::from_raw_os_error(-result)),
        Some(_) => Ok(()),
        None => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// Connected sockets of the loopback interface, IPv4 or IPv6.
///
/// # Errors
/// The kernel's.
pub fn loopback() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").or_else(|_| TcpListener::bind("[::1]:0"))?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    Ok((socket, listener.accept()?.0))
}

/// Makes and drops a queue of so many entries with a ring's setup flags, and nothing else.
///
/// # Errors
/// The kernel's: no io_uring, no permission, too old for a flag.
pub fn setup(entries: u32) -> io::Result<()> {
    builder().build(entries).map(drop)
}

/// Those of `operations` (such as [`OPERATIONS`]) that this kernel does not support.
///
/// # Errors
/// Without io_uring.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use uringcast_ring::probe;
///
/// assert!(probe::missing(&probe::OPERATIONS)?.is_empty());
/// # Ok(())
/// # }
/// ```
pub fn missing(operations: &[(&'static str, u8)]) -> io::Result<Vec<&'static str>> {
    let uring = IoUring::new(1)?;
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe)?;
    let missing = operations.iter().filter(|(_, code)| !probe.is_supported(*code));
    Ok(missing.map(|(name, _)| *name).collect())
}

/// A ring's setup flags.
pub(crate) fn builder() -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder.setup_coop_taskrun().setup_single_issuer().setup_submit_all();
    builder
}
