//! The sockets that a shard accepts from.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use monoio::net::UnixStream;

use super::accept::accept;
use super::queue::HandshakeQueue;
use crate::types::ServiceId;

/// The sockets that a shard accepts from, or is to.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Each with a duplicate, to be polled.
    waiting: Vec<(ServiceId, Rc<TcpListener>, UnixStream)>,
    /// Those of accept tasks, which own them.
    accepting: Vec<(ServiceId, Weak<TcpListener>)>,
}

impl Listeners {
    /// Prepares to accept from these.
    ///
    /// # Errors
    /// Without a free descriptor.
    pub(crate) fn new(all: Vec<(ServiceId, TcpListener)>) -> io::Result<Listeners> {
        let prepare = |(service, listener): (ServiceId, TcpListener)| {
            // The accept task accepts until EAGAIN.
            listener.set_nonblocking(true)?;
            let readable = UnixStream::from_std(OwnedFd::from(listener.try_clone()?).into())?;
            Ok((service, Rc::new(listener), readable))
        };
        let waiting = all.into_iter().map(prepare).collect::<io::Result<_>>()?;
        Ok(Listeners { waiting, accepting: Vec::new() })
    }

    /// Starts a task for each, which accepts until the queue is closed.
    pub(crate) fn accept(&mut self, queue: &Rc<HandshakeQueue>) {
        for (service, listener, readable) in self.waiting.drain(..) {
            self.accepting.push((service, Rc::downgrade(&listener)));
            monoio::spawn(accept(listener, readable, queue.register_acceptor(), service));
        }
    }

    /// Duplicates of those that are accepted from.
    pub(crate) fn duplicates(&self) -> Vec<(ServiceId, TcpListener)> {
        let open = self
            .accepting
            .iter()
            .filter_map(|(service, socket)| Some((*service, socket.upgrade()?.try_clone().ok()?)));
        open.collect()
    }
}
