//! One shard's broker: composition of channels, connections and sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use super::effect::{Effect, Lanes, Notice, Request};
use super::outlet::Outlet;
use crate::config::Config;
use crate::telemetry::Recorder;
use crate::types::{ChannelName, ConnectionKey, Epoch, Now, Publication, Seq, ShardId};

/// The broker of one shard.
pub struct Hub {
    /// Public so that the shell may record its own counts.
    pub recorder: Recorder,
}

/// How an HTTP upgrade ended, as the hub is told by [`Hub::admit`].
#[derive(Clone, Debug)]
pub struct Admission {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether TLS is on.
    pub secure: bool,
    /// The server is full: close with 1013 right away.
    pub over_capacity: bool,
}

/// The channel's log takes no more before its subscribers are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unswept;

/// Why receiving from a connection ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveEnd {
    /// The peer sent FIN (over TLS: close_notify or FIN).
    Eof,
    /// A socket error.
    Reset,
    /// TLS: a record that cannot be decrypted or parsed, or a fatal alert.
    TlsFault,
}

/// What [`Hub::channels`] tells about one channel homed on this shard.
#[derive(Clone, Debug)]
pub struct ChannelEntry {
    /// Its name.
    pub name: ChannelName,
    /// Position of its last message.
    pub seq: Seq,
    /// Its log's epoch.
    pub epoch: Epoch,
}

impl Hub {
    /// A broker for `shard` of `shards`, with room for `capacity` connections.
    pub fn new(
        _config: Arc<Config>,
        _shard: ShardId,
        _shards: usize,
        _capacity: usize,
        _seed: u64,
    ) -> Hub {
        todo!()
    }

    /// A connection was upgraded. `None` when the table is full: drop the socket.
    /// Over capacity it is admitted only to be closed with 1013.
    pub fn admit(&mut self, _now: Now, _admission: &Admission) -> Option<ConnectionKey> {
        todo!()
    }

    /// Bytes arrived (plaintext). They are unmasked in place.
    pub fn handle_received(&mut self, _now: Now, _key: ConnectionKey, _bytes: &mut [u8]) {
        todo!()
    }

    /// The peer ended its side, or the socket failed. A receive is no longer armed.
    pub fn handle_end(&mut self, _now: Now, _key: ConnectionKey, _end: ReceiveEnd) {
        todo!()
    }

    /// After `Effect::CancelReceive`: nothing is armed on the slot any more (invariant 12).
    pub fn handle_receive_ended(&mut self, _now: Now, _key: ConnectionKey) {
        todo!()
    }

    /// After `Effect::AwaitWritable`: the socket has room, or is dead and will say so on writing.
    pub fn handle_writable(&mut self, _now: Now, _key: ConnectionKey) {
        todo!()
    }

    /// The clock ticked (`limits::TICK`).
    pub fn handle_tick(&mut self, _now: Now) {
        todo!()
    }

    /// A publication from outside, for a channel homed here.
    ///
    /// # Errors
    /// [`Unswept`] when the channel's log takes no more now.
    pub fn publish(&mut self, _now: Now, _publication: &Publication) -> Result<Seq, Unswept> {
        todo!()
    }

    /// A request from another shard.
    pub fn handle_request(&mut self, _now: Now, _from: ShardId, _request: Request) {
        todo!()
    }

    /// A notice from another shard.
    pub fn handle_notice(&mut self, _now: Now, _from: ShardId, _notice: Notice) {
        todo!()
    }

    /// Whether publications, requests and notices may be handed in now (`SHARD_UNSWEPT_BYTES`).
    pub fn wants_input(&self) -> bool {
        todo!()
    }

    /// Writes what is due: replies, laggards, sweeps, lanes. Returns whether more is due than one
    /// turn may do: call again after other work.
    pub fn poll_transmit(
        &mut self,
        _now: Now,
        _outlet: &mut impl Outlet,
        _lanes: &mut impl Lanes,
    ) -> bool {
        todo!()
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        todo!()
    }

    /// Refuses publishes and closes every connection with 1001.
    pub fn begin_drain(&mut self, _now: Now) {
        todo!()
    }

    /// Connections not yet released.
    pub fn connections(&self) -> usize {
        todo!()
    }

    /// Channels homed here from slot `from` on, at most `limit`, and the slot to go on from.
    pub fn channels(&self, _from: u32, _limit: usize) -> (Vec<ChannelEntry>, Option<u32>) {
        todo!()
    }

    /// Subscribers on this shard of each named channel.
    pub fn subscribers(&self, _names: &[ChannelName]) -> Vec<u64> {
        todo!()
    }

    /// The shard that sequences a channel. The same on every shard of one engine.
    pub fn home_of(_channel: &ChannelName, _shards: usize) -> ShardId {
        todo!()
    }
}
