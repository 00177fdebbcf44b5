//! A channel as one shard sees it: its log, its live set, and how it hangs together with the
//! other shards.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::live_set::LiveSet;
use super::log::Log;
use super::retention::Over;
use crate::shared_frame::Frame;
use crate::telemetry::ClassId;
use crate::types::{ChannelName, Epoch, JsonObject, Seq, ShardId, Time};

/// One channel on one shard.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) class: ClassId,
    pub(crate) log: Log,
    /// Why the log dropped its last frame.
    pub(crate) over: Option<Over>,
    pub(crate) live: LiveSet,
    pub(crate) link: Link,
    /// Whether it stands in the hub's list of channels to be swept.
    pub(crate) dirty: bool,
    /// Whether it stands in the hub's list of channels with frames for other shards.
    pub(crate) unsent: bool,
    /// Operations that need it to stay: a forgotten channel's index would name another.
    pub(crate) holds: u32,
    /// Whether clients may ask for its last event,
    pub(crate) is_asked_for: bool,
    /// which its home then keeps.
    pub(crate) last: Option<Rc<Frame>>,
    /// What a service has said about it.
    pub(crate) document: Option<Arc<JsonObject>>,
    /// When somebody last subscribed, left or published.
    pub(crate) used_at: Time,
}

/// Which end of the channel this shard is.
#[derive(Debug)]
pub(crate) enum Link {
    /// It gives the sequence numbers and serves the other shards.
    Home(Vec<Interest>),
    /// It is served by the home.
    Remote(Remote),
}

/// Another shard with subscribers, as the home sees it: a reader with a cursor.
#[derive(Debug)]
pub(crate) struct Interest {
    pub(crate) shard: ShardId,
    /// That shard's own index of the channel.
    pub(crate) index: u32,
    /// That shard's join, echoed in every notice.
    pub(crate) token: u32,
    /// Next position to be sent.
    pub(crate) next: Seq,
    /// The log dropped everything up to here before it could be sent.
    pub(crate) gap: Option<Seq>,
    /// Whether it stands in the hub's list of readers that found their lane full.
    pub(crate) behind: bool,
}

/// The tie of a shard to a channel's home.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) home: ShardId,
    pub(crate) state: RemoteState,
    /// The current join; a notice with another one is stale.
    pub(crate) token: u32,
    /// Oldest position a waiting subscriber asked for.
    pub(crate) since: Option<Seq>,
    /// The home's log had nothing before this position when it was last asked.
    pub(crate) floor: Seq,
    /// Whether it stands in the list of channels whose home must be told something.
    pub(crate) asked: bool,
    /// Operations to go on with once joined.
    pub(crate) waiting: Vec<u32>,
}

/// How far a shard is with a channel that another one is home of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteState {
    /// The home sends nothing.
    Absent,
    /// A join must be sent, or is on its way.
    Joining,
    /// Every message comes.
    Live,
    /// The home must be told that nobody listens any more.
    Leaving,
}

impl Channel {
    pub(crate) fn interests(&self) -> &[Interest] {
        match &self.link {
            Link::Home(interests) => interests,
            Link::Remote(_) => &[],
        }
    }

    /// The oldest position that somebody who keeps up still needs.
    pub(crate) fn needed_from(&self) -> Seq {
        let local = self.live.delivered().next();
        self.interests().iter().map(|interest| interest.next).fold(local, Seq::min)
    }

    /// Whether nothing would be lost by forgetting the channel.
    pub(crate) fn is_idle(&self) -> bool {
        let linked = match &self.link {
            Link::Home(interests) => !interests.is_empty(),
            Link::Remote(remote) => remote.state != RemoteState::Absent,
        };
        self.live.is_empty() && self.holds == 0 && !self.dirty && !linked
    }
}

/// All channels of a shard, by index and by name.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    slots: Vec<Option<Channel>>,
    free: Vec<u32>,
    by_name: HashMap<ChannelName, u32>,
}

impl Channels {
    pub(crate) fn find(&self, name: &ChannelName) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Adds a channel whose log starts empty after `head`.
    pub(crate) fn add(
        &mut self,
        name: &ChannelName,
        class: ClassId,
        link: Link,
        epoch: Epoch,
        now: Time,
    ) -> u32 {
        let channel = Channel {
            name: name.clone(),
            class,
            log: Log::new(epoch, Seq(0)),
            over: None,
            live: LiveSet::new(Seq(0)),
            link,
            dirty: false,
            unsent: false,
            holds: 0,
            is_asked_for: false,
            last: None,
            document: None,
            used_at: now,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.slots[index as usize] = Some(channel);
        self.by_name.insert(name.clone(), index);
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Channel> {
        let channel = self.slots[index as usize].take()?;
        self.by_name.remove(&channel.name);
        self.free.push(index);
        Some(channel)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Channel> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Channel> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// Known channels.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Length of the table, free places included.
    pub(crate) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }
}

impl std::ops::Index<u32> for Channels {
    type Output = Channel;
    /// A held index: whoever holds one (subscription, dirty list, operation) keeps the channel.
    fn index(&self, index: u32) -> &Channel {
        self.get(index).expect("a held channel exists")
    }
}

impl std::ops::IndexMut<u32> for Channels {
    fn index_mut(&mut self, index: u32) -> &mut Channel {
        self.get_mut(index).expect("a held channel exists")
    }
}
