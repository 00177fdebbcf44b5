//! A delivery ring as every shard makes one, and one receive over it: whether this machine can.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ring::Ring;
use crate::types::ConnectionKey;

/// How long the kernel may take to tell of a byte that is there already, in seconds.
const PATIENCE: i64 = 1;

/// Makes a ring with so many slots, receives a byte over it and drops it.
///
/// # Errors
/// What the kernel said.
pub(crate) fn try_ring(slots: usize) -> io::Result<()> {
    let mut ring = Ring::new(slots.max(1), false)?;
    let listener = TcpListener::bind("127.0.0.1:0").or_else(|_| TcpListener::bind("[::1]:0"))?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    let (ours, _) = listener.accept()?;
    peer.write_all(&[0])?;
    ring.place(0, &ours)?;
    let event = ring.event()?;
    ring.listen(true);
    ring.receive(ConnectionKey { index: 0, generation: 0 });
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
