//! An io_uring for servers that put the same bytes on many sockets.
//!
//! A [`Ring`] belongs to one thread and holds that thread's connections, each in a slot of the
//! ring's registered files. Sends are collected into a batch and end inside the system call that
//! submits it; a send that went out whole leaves no trace. Receives fill buffers that all
//! connections share. `README.md` has the reasons and measurements, `examples/broadcast.rs` a
//! comparison with a loop of `send`.
//!
//! # The life of a send
//!
//! ```text
//!  load(payload)     the ring owns the bytes; they do not move until the batch is finished
//!  send(key)         one submission entry that points at them       (no system call)
//!  send(key) …       up to Config::batch_entries of them            (no system call)
//!  submit_batch()    one io_uring_enter: the kernel does all sends before it returns
//!    exceptions()    the few that were not whole: a full socket, a dead one
//!    finish()        the payloads come back, every slot may be written again
//! ```
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use std::io::Read;
//! use std::os::unix::net::UnixStream;
//! use std::rc::Rc;
//! use uringcast_ring::{Config, Ring, SlotKey};
//!
//! let mut ring: Ring<Rc<[u8]>> = Ring::new(&Config::new(3))?;
//! let mut peers = Vec::new();
//! for slot in 0..3 {
//!     let (ours, peer) = UnixStream::pair()?;
//!     ring.place(SlotKey::new(slot), &ours)?;
//!     peers.push(peer);
//!     // `ours` is closed here: the slot is the connection.
//! }
//! ring.load(Rc::from(&b"to all"[..]));
//! for slot in 0..3 {
//!     ring.send(SlotKey::new(slot)).expect("its first of this batch");
//! }
//! let batch = ring.submit_batch();
//! assert!(batch.exceptions().is_empty(), "all went out whole");
//! drop(batch);
//! let stats = ring.take_stats();
//! assert_eq!((stats.enters, stats.entries, stats.completions), (1, 3, 0));
//! for peer in &mut peers {
//!     let mut bytes = [0; 6];
//!     peer.read_exact(&mut bytes)?;
//!     assert_eq!(&bytes, b"to all");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An exception's [`Exception::result`] is the number of bytes that the socket took, or a negative
//! error number: -EAGAIN for none. The caller keeps what is left, calls [`Ring::poll_writable`]
//! and sends nothing else to this slot until the rest is out. That is why a slot takes one write
//! a batch: a second one would be written behind the hole that a short first one has left.
//! [`Ring::send`] refuses it.
//!
//! # The life of a receive
//!
//! ```text
//!  receive(key)      one entry: armed until it fails, is cancelled, or the stream ends
//!  submit() | wait() with whatever else is queued
//!    …               the kernel takes a buffer only when there are bytes for it
//!  next()            a Completion: key, result, a Received buffer, whether it is still armed
//!  bytes(&received)  the bytes, in place
//!  give_back(…)      the buffer is the kernel's again
//! ```
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use std::io::Write;
//! use std::os::unix::net::UnixStream;
//! use uringcast_ring::{Config, Ring, SlotKey};
//!
//! let mut ring: Ring<Vec<u8>> = Ring::new(&Config::new(1))?;
//! let (ours, mut peer) = UnixStream::pair()?;
//! let key = SlotKey::new(0);
//! ring.place(key, &ours)?;
//! ring.receive(key);
//! peer.write_all(b"hello")?;
//! ring.wait();
//! let completion = ring.next().expect("five bytes");
//! assert_eq!((completion.key, completion.result, completion.more), (key, 5, true));
//! let received = completion.received.expect("a buffer with them");
//! assert_eq!(ring.bytes(&received), b"hello");
//! ring.give_back(received);
//! # Ok(())
//! # }
//! ```
//!
//! Without a free buffer a receive ends with -ENOBUFS; give some back and arm it again. No byte is
//! lost: what was not received waits in the socket, and TCP slows the peer.
//!
//! # Sleeping
//!
//! [`Ring::wait`] blocks in the kernel. A thread that sleeps elsewhere, in a runtime's reactor,
//! polls [`Ring::event`]: call [`Ring::listen`] with `true`, then [`Ring::is_quiet`], and sleep
//! only if it returns `true`.
//!
//! # Closing in order
//!
//! A kernel operation keeps its socket open, also when the slot was emptied under it, and its
//! completion may find another connection in the slot. So:
//!
//! 1. [`Ring::shutdown_write`]: the peer reads the end of the stream; read on until its own.
//! 2. [`Ring::cancel_all`]: what is armed ends soon.
//! 3. Take completions until [`Ring::is_idle`].
//! 4. [`Ring::clear`] closes the socket. It panics while something is armed.
//! 5. [`Ring::place`] the next socket under [`SlotKey::next_life`]: the old key is refused from
//!    now on, and a late completion of the old life would not be reported.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use std::os::unix::net::UnixStream;
//! use uringcast_ring::{Config, Refused, Ring, SlotKey};
//!
//! let mut ring: Ring<&str> = Ring::new(&Config::new(1))?;
//! let (ours, _peer) = UnixStream::pair()?;
//! let old = SlotKey::new(0);
//! ring.place(old, &ours)?;
//! ring.receive(old);
//! ring.cancel_all(old);
//! while !ring.is_idle(old) {
//!     ring.wait();
//!     while ring.next().is_some() {}
//! }
//! ring.clear(old);
//! let (ours, _peer) = UnixStream::pair()?;
//! ring.place(old.next_life(), &ours)?;
//! ring.load("for the former one");
//! assert_eq!(ring.send(old), Err(Refused::Stale));
//! # Ok(())
//! # }
//! ```
//!
//! # Handing sockets to another process
//!
//! ```text
//!  here                                              the other process
//!  PeerProcess::of(&socket)?                    ◄──  Ring::new(…)?, Ring::own_descriptor()
//!  peer.ring(number)?
//!  copy_to(key, &ring, slot)  one for each socket
//!  cancel(Operation::Receive, key), clear(key)  ──►  adopt(SlotKey::new(slot)), receive(…)
//! ```
//!
//! A copy needs no descriptor in either process, so that no limit of open files counts. From its
//! completion on both have the socket: it stays open until both have cleared it, and clearing it in
//! one sends no FIN. Only one of them may receive. [`probe::hand_over`] says whether a machine
//! supports it.
//!
//! # Where `unsafe` is, and why it holds
//!
//! Three places hand memory to the kernel. `payloads` and `send_batch`: payloads are owned, never
//! moved and never touched until [`Submitted`] is dropped, which exists only after every send has
//! ended. `receive_buffers`: a buffer belongs to the kernel or to the one [`Received`] that names
//! it. [`ktls`]: each call waits for its operation to end. Beside them are options of sockets,
//! which the kernel reads or writes within the call.

mod batch_gate;
mod config;
pub mod ktls;
mod payloads;
mod peer_process;
pub mod probe;
mod queues;
mod receive_buffers;
mod ring;
mod slot_key;
mod slots;
mod user_data;

pub use config::Config;
pub use peer_process::{PeerProcess, RemoteRing};
pub use queues::RingStats;
pub use receive_buffers::Received;
pub use ring::{Completion, Exception, Refused, Ring, Sealed, Submitted};
pub use slot_key::SlotKey;
pub use slots::SLOT_BYTES;
pub use user_data::Operation;
