//! The engine's public face: start it, publish into it, drain it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::config::Config;
use crate::telemetry::Snapshot;
use crate::types::{ChannelName, Publication, Seq};

/// A running engine. Dropping it without [`Engine::drain`] ends all connections at once.
#[derive(Debug)]
pub struct Engine {}

/// Why an engine could not start. Each text names the setting, the value and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}. {remedy}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The kernel refuses io_uring or a part of it that the engine needs.
    #[error("cannot use io_uring: {source}. {remedy}")]
    Ring {
        /// What the system said.
        source: std::io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A setting contradicts another or the machine.
    #[error("{0}")]
    Config(String),
}

/// The engine has no room for the publication now; nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine is saturated; try again in {} ms", retry_after.as_millis())]
pub struct Saturated {
    /// When to try again.
    pub retry_after: Duration,
}

/// Why an accepted publication got no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The channel's subscribers have not been served the earlier ones yet.
    #[error(transparent)]
    Saturated(#[from] Saturated),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Closed,
}

/// Resolves to the position a publication was given. May be dropped.
#[derive(Debug)]
pub struct Ticket {}

impl Ticket {
    /// Blocks this thread until the position is known.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn wait(self) -> Result<Seq, Lost> {
        todo!()
    }
}

impl Future for Ticket {
    type Output = Result<Seq, Lost>;
    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        todo!()
    }
}

/// Resolves to one result per publication of a batch, in its order. May be dropped.
#[derive(Debug)]
pub struct BatchTicket {}

impl BatchTicket {
    /// Blocks this thread until all positions are known.
    pub fn wait(self) -> Vec<Result<Seq, Lost>> {
        todo!()
    }
}

impl Future for BatchTicket {
    type Output = Vec<Result<Seq, Lost>>;
    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        todo!()
    }
}

/// Publishes from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher {}

impl Publisher {
    /// Hands one publication to its channel's home shard, without waiting.
    ///
    /// # Errors
    /// [`Saturated`] when the home's mailbox is full.
    pub fn try_publish(&self, _publication: Publication) -> Result<Ticket, Saturated> {
        todo!()
    }

    /// Hands over all publications or none. Order per channel is the order given.
    ///
    /// # Errors
    /// [`Saturated`] when one of the homes has no room for its part.
    pub fn try_publish_batch(&self, _batch: Vec<Publication>) -> Result<BatchTicket, Saturated> {
        todo!()
    }
}

/// One channel as [`Engine::channels`] lists it.
#[derive(Clone, Debug)]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// Position of its last message.
    pub seq: Seq,
    /// Its log's epoch.
    pub epoch: crate::types::Epoch,
    /// Subscribers on all shards.
    pub subscribers: u64,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were closed with a complete closing handshake.
    pub closed: u64,
    /// Connections that were cut at the deadline.
    pub cut: u64,
}

impl Engine {
    /// Binds the listeners, starts one pinned thread per shard and returns once all of them serve.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(_config: Config) -> Result<Engine, StartError> {
        todo!()
    }

    /// The addresses it listens on, with the ports that port 0 stood for.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        todo!()
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        todo!()
    }

    /// A handle to publish with.
    pub fn publisher(&self) -> Publisher {
        todo!()
    }

    /// Up to `limit` channels from `cursor` on (start with 0), and the cursor of the next page,
    /// `None` after the last. Channels that come and go meanwhile may be missed or seen.
    pub async fn channels(&self, _cursor: u64, _limit: usize) -> (Vec<ChannelInfo>, Option<u64>) {
        todo!()
    }

    /// Gives every snapshot that the shards have sent since the last call to `visit`.
    pub fn collect(&self, _visit: impl FnMut(&Snapshot)) {
        todo!()
    }

    /// Whether every shard is serving: turned within the last second, not draining.
    pub fn is_ready(&self) -> bool {
        todo!()
    }

    /// Stops accepting, closes every connection with 1001 and waits until they are gone or the
    /// deadline is over. Blocks this thread.
    pub fn drain(self, _deadline: Duration) -> DrainReport {
        todo!()
    }
}
