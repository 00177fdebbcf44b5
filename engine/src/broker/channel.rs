//! Channels as one shard has them: a log, a live set, and the shard's role for each.
//!
//! | file | type |
//! |---|---|
//! | `channels` | [`Channels`]: what the rest of the broker works with |
//! | `table` | all channels, by slot and by name |
//! | `log` | a channel's recent frames |
//! | `live_set`, `members` | the subscribers that have kept up, and the sweep over them |
//! | `subscription_start` | where a subscription begins |
//! | `since` | what a subscriber has of a channel's context |
//! | `contexts` | the compressors of channels |
//! | `sweep_queue` | the channels to be swept, and those that wait for more |
//! | `memberships`, `subscriptions` | the channels of each connection |
//! | `retention` | what the logs keep |
//! | `forgotten` | where channels stood that are not known any more |
//! | `home`, `replica` | the two roles of a shard |
//! | `upstream` | the tie of a home to an external order |
//! | `update_source` | the same for what updates are made of |
//! | `exchange` | frames between a home and its replicas |
//! | `status_store` | what answers status requests |
//! | `state_store` | what a channel's messages have come to |
//! | `unpublished` | the makers of the channels that nothing was published to |

mod channels;
#[cfg(test)]
pub(super) mod context_faults;
mod contexts;
mod exchange;
mod forgotten;
mod home;
mod live_set;
mod log;
mod members;
mod memberships;
mod replica;
mod retention;
mod since;
mod state_store;
mod status_store;
mod subscription_start;
mod subscriptions;
mod sweep_queue;
mod table;
mod unpublished;
mod update_source;
mod upstream;

use std::rc::Rc;
use std::sync::Arc;

pub(super) use channels::TAKEN_OVER;
pub(crate) use channels::{Call, Channels, Readiness, Sweep, UpstreamAnswer};
pub use channels::{ChannelEntry, ChannelState};
pub(crate) use log::Log;
pub(crate) use retention::Overrun;
pub(crate) use since::{Since, Span};
pub(crate) use subscription_start::{Served, Start};
pub(crate) use unpublished::Maker;

use crate::config::ChannelClass;
use crate::limits::COALESCED_BYTES;
use crate::shared_frame::Frame;
use crate::telemetry::{ClassId, Recorder};
use crate::types::{ChannelName, Epoch, JsonObject, Seq, StateDocument, Time};
use channels::Traffic;
use contexts::SharedContext;
use home::Home;
use live_set::LiveSet;
use replica::Replica;
use sweep_queue::Queued;
use table::Table;
use update_source::UpdateSource;
use upstream::Upstream;

/// One channel on one shard.
#[derive(Debug)]
struct Channel {
    name: ChannelName,
    /// What is promised for it.
    class: Rc<ChannelClass>,
    /// Its class in metrics. None until there is a frame: subscribers make no classes with names of
    /// their choice.
    metric_class: ClassId,
    log: Log,
    /// Why the log dropped its last frame.
    overrun: Option<Overrun>,
    live: LiveSet,
    role: Role,
    /// Its tie to an external order, where this shard is the home and does not number its messages.
    upstream: Option<Box<Upstream>>,
    /// Its tie to the order that has what its updates are made of, where this shard is the home.
    source: Option<Box<UpdateSource>>,
    /// The newest position that one of this shard's clients was told for a publication of its own,
    /// where the message comes by another way.
    acknowledged: Seq,
    /// Where it stands among the channels to be swept.
    queued: Queued,
    /// Whether it stands in the list of channels with frames for other shards.
    unsent: bool,
    /// The connection that made it by subscribing, while it exists by that alone.
    maker: Option<Maker>,
    /// Whether it stands in the list of those that may have lost their last subscriber.
    left: bool,
    /// Operations that need it to stay.
    holds: u32,
    /// The generation of patterns that it was matched with: their subscribers are members.
    matched: u32,
    /// Members that have it by a pattern alone.
    by_pattern: u32,
    /// Its publications are not sent as they are, but kept for the next update of its service's
    /// session protocol.
    is_periodic: bool,
    /// Whether clients may ask for its last event, which its home then keeps.
    answers_requests: bool,
    last: Option<Rc<Frame>>,
    /// What a service has put there.
    document: Option<Arc<JsonObject>>,
    /// What its messages have come to, as a service says: its home's.
    state: Option<Arc<StateDocument>>,
    /// What went through its compressor, if it ever had one: its home's.
    context: Option<Box<SharedContext>>,
    traffic: Traffic,
    /// Time of the last subscribe, unsubscribe or publish.
    used_at: Time,
}

/// Which end of the channel this shard is.
#[derive(Debug)]
enum Role {
    /// It gives the sequence numbers and serves the other shards.
    Home(Home),
    /// The home serves it.
    Replica(Replica),
}

impl Channel {
    /// A channel homed here with an empty log; the next message comes after `head`.
    fn new(
        name: ChannelName,
        class: Rc<ChannelClass>,
        (epoch, head): (Epoch, Seq),
        now: Time,
    ) -> Channel {
        Channel {
            name,
            class,
            metric_class: ClassId::NONE,
            log: Log::new(epoch, head),
            overrun: None,
            live: LiveSet::new(head),
            role: Role::Home(Home::default()),
            upstream: None,
            source: None,
            acknowledged: Seq(0),
            queued: Queued::No,
            unsent: false,
            maker: None,
            left: false,
            holds: 0,
            matched: 0,
            by_pattern: 0,
            is_periodic: false,
            answers_requests: false,
            last: None,
            document: None,
            state: None,
            context: None,
            traffic: Traffic::default(),
            used_at: now,
        }
    }

    /// Its class in metrics, which is one of theirs from now on.
    fn classify(&mut self, recorder: &mut Recorder) -> ClassId {
        if !recorder.is_current(self.metric_class) {
            self.metric_class = recorder.class_of(&self.name);
        }
        self.metric_class
    }

    /// Shards that take part in a broadcast, this one included.
    fn shards(&self) -> usize {
        1 + match &self.role {
            Role::Home(home) => home.interests().len(),
            Role::Replica(_) => 0,
        }
    }

    /// The tie of a channel known to be homed elsewhere.
    fn replica_mut(&mut self) -> &mut Replica {
        match &mut self.role {
            Role::Replica(replica) => replica,
            Role::Home(_) => unreachable!("the home does not join itself"),
        }
    }

    /// Its tie to an external order, whatever that has of it.
    fn tie(&self) -> Option<&Upstream> {
        let source = self.source.as_ref().map(|source| source.upstream());
        self.upstream.as_deref().or(source)
    }

    fn tie_mut(&mut self) -> Option<&mut Upstream> {
        let source = self.source.as_mut().map(|source| source.upstream_mut());
        self.upstream.as_deref_mut().or(source)
    }

    /// Its home has an external order that has what is published there: in this state, where that
    /// gives the positions too.
    fn tie_to_order(&mut self, upstream: Upstream) {
        match self.is_periodic {
            true => self.source = Some(Box::default()),
            false => self.upstream = Some(upstream.into()),
        }
    }

    /// The oldest position that a reader that keeps up still needs.
    fn needed_from(&self) -> Seq {
        let local = self.live.delivered().next();
        let remote = match &self.role {
            Role::Home(home) => home.needed_from(),
            Role::Replica(_) => None,
        };
        remote.map_or(local, |remote| remote.min(local))
    }

    /// Whether no connection of this shard needs it.
    fn is_unheard(&self) -> bool {
        self.live.is_empty() && self.holds == 0
    }

    /// Whether it has no members, here or at other shards: no subscriber has seen what its log has.
    fn is_alone(&self) -> bool {
        self.live.is_empty() && self.shards() == 1
    }

    /// Whether its subscribers have it by patterns alone.
    fn is_by_pattern(&self) -> bool {
        self.by_pattern > 0 && self.by_pattern as usize == self.live.len() && self.holds == 0
    }

    /// Whether no shard needs it. Its log may still hold what a client comes back for.
    fn is_idle(&self) -> bool {
        let linked = match &self.role {
            Role::Home(home) => !home.interests().is_empty(),
            Role::Replica(replica) => !replica.is_unlinked(),
        };
        let linked = linked || self.tie().is_some_and(Upstream::is_asking);
        self.is_unheard() && self.queued == Queued::No && !linked
    }

    /// Whether its live set has everything.
    fn is_level(&self) -> bool {
        self.log.head() == self.live.delivered()
    }

    /// Until when what is new waits for more, if it is not too much to wait.
    fn waits_until(&self, most: u64) -> Option<Time> {
        let next = self.live.delivered().next();
        let is_little = |(frames, bytes)| bytes < COALESCED_BYTES && (frames as u64) < most;
        let window = self.class.coalesce;
        let waits = !window.is_zero()
            && !self.live.is_empty()
            && !self.live.is_sweeping()
            && is_little(self.log.unread(next));
        let first = if waits { self.log.from(next).next() } else { None };
        first.map(|frame| frame.accepted_at + window)
    }

    /// Whether no connection of any shard needs it.
    fn is_unheard_everywhere(&self) -> bool {
        let others = matches!(&self.role, Role::Home(home) if !home.interests().is_empty());
        self.is_unheard() && !others
    }

    /// Whether it holds what its subscribers may come back for: that is the home's to keep, unless
    /// an external order does.
    fn holds_promised(&self) -> bool {
        let has_log = self.log.len() > 0 && self.upstream.is_none();
        matches!(self.role, Role::Home(_)) && (has_log || self.state.is_some())
    }

    /// How far one sweep goes: everything new, as far as it is worth joining into `limit` bytes.
    fn sweep_target(&self, limit: usize) -> Seq {
        let mut frames = self.log.from(self.live.delivered().next());
        let Some(first) = frames.next() else { return self.log.head() };
        let (mut target, mut bytes) = (first.seq, first.bytes().len());
        for frame in frames {
            bytes += frame.bytes().len();
            if bytes > limit {
                break;
            }
            target = frame.seq;
        }
        target
    }
}

/// This shard, or one it acts for, is through with a frame: the last one ends the broadcast.
fn shard_done(recorder: &mut Recorder, class: ClassId, frame: &Frame, at: Time) {
    if frame.shard_done() {
        recorder.broadcast_done(class, at.ns_since(frame.accepted_at));
    }
}
