//! The components that sessions stand on, and the few moves that need two of them.

use std::time::Duration;

use super::channel::{Channels, Maker, Start};
use super::connection::Connections;
use super::context::Context;
use super::delivery::Delivery;
use super::effect::ClientReport;
use super::link::Links;
use super::log_page::{HistoryRange, LogPage};
use super::patterns::Patterns;
use super::presence::Presence;
use super::published_ids::{Accepted, PublishId, PublishedIds};
#[cfg(test)]
use super::recovery_faults::RecoveryFault;
use crate::config::Service;
use crate::limits::DEFLATE_WINDOW_BITS;
use crate::telemetry::Count;
use crate::types::{
    AddressGroup, ChannelIndex, ChannelName, ConnectionKey, MessageType, PresenceEnd, Publication,
    PublishError, Seq, ServiceId,
};
use crate::wire::encoder::{Encoder, Stamp};
use crate::wire::reply::Standing;

/// A shard's state but for its sessions. Each component owns its own.
pub(super) struct Core {
    pub(super) cx: Context,
    pub(super) channels: Channels,
    pub(super) connections: Connections,
    pub(super) links: Links,
    pub(super) delivery: Delivery,
    pub(super) patterns: Patterns,
    pub(super) presence: Presence,
    pub(super) published_ids: PublishedIds,
}

/// How a subscription begins that is confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) standing: Standing,
    /// The next message that it is sent, where that is not what the subscriber would get anyway.
    pub(super) next: Option<Seq>,
    /// Up to here it gets the newest message of each key.
    pub(super) newest_to: Seq,
}

impl Core {
    /// What a subscriber has been handed of a channel.
    pub(super) fn handed(&self, key: ConnectionKey, index: ChannelIndex) -> Option<Seq> {
        let handed = self.delivery.handed(&self.channels, key.index, index)?;
        // A laggard has less, or more.
        let next = self.delivery.cursor(key.index, index);
        Some(next.map_or(handed, |next| Seq(next.0 - 1)))
    }

    /// The maker of the channels that this connection makes by subscribing; `None` for the engine's
    /// own.
    pub(super) fn maker(&self, key: ConnectionKey) -> Option<Maker> {
        let connection = &self.connections[key];
        let address = AddressGroup::from(connection.peer().ip());
        (!connection.is_probe()).then_some(Maker { connection: Some(key), address })
    }

    /// Subscribes a connection, unless it is subscribed, and says where it goes on.
    pub(super) fn subscribe(
        &mut self,
        key: ConnectionKey,
        index: ChannelIndex,
        start: Start,
    ) -> Joined {
        let is_there = self.channels.is_subscribed(key.index, index);
        if is_there {
            self.keep_by_name(key, index);
        } else {
            self.enter(key, index);
        }
        let (log, oldest) = (self.channels.log(index), self.channels.oldest(index));
        let handed = self.handed(key, index).expect("it is subscribed");
        // Behind what the live set was handed where it stands, everything is live.
        let live = self.delivery.handed(&self.channels, key.index, index).unwrap_or(handed);
        let recovered = start.recovery(log, oldest);
        let next = match (recovered, start) {
            (Some((_, next)), _) => next,
            // Nothing that it is to get anyway is left out for these.
            (None, Start::Last(n)) => Some(log.last(live, n).max(oldest).min(handed.next())),
            (None, Start::Latest) => {
                let first = log.newest_from(Seq(0)).next();
                first.map(|frame| frame.first.min(handed.next()))
            }
            (None, Start::Live | Start::Since { .. }) => None,
        };
        #[cfg(test)]
        let next =
            next.filter(|_| start != Start::Latest || !RecoveryFault::Unreplayed.is_present());
        #[cfg(test)]
        let next = RecoveryFault::misplace(next, is_there, log.first());
        let seq = next.map_or(handed, |next| live.max(Seq(next.0 - 1)));
        let recovery = recovered.map(|(recovery, _)| recovery);
        let standing = Standing { seq, epoch: log.epoch(), oldest, recovery };
        let newest_to = if start == Start::Latest { live } else { Seq(0) };
        let is_moved = |next: &Seq| *next != handed.next() || *next <= newest_to;
        Joined { standing, next: next.filter(is_moved), newest_to }
    }

    /// Makes a connection a member of a channel. Returns what the live set was handed there.
    pub(super) fn enter(&mut self, key: ConnectionKey, index: ChannelIndex) -> Seq {
        self.cx.early.touch(key.index);
        let (encoding, deflates) = (self.connections.encoding(key), self.deflates(key));
        let handed = self.channels.subscribe(&self.cx, key.index, encoding, index, deflates);
        self.choose_context(key);
        self.delivery.move_cursor(key.index, index, handed.next());
        handed
    }

    /// Ends a subscription by name.
    pub(super) fn unsubscribe(&mut self, key: ConnectionKey, index: ChannelIndex) {
        self.cx.early.touch(key.index);
        self.leave_presence(key, index, PresenceEnd::Unsubscribed);
        if self.keep_by_pattern(key, index) {
            return;
        }
        if self.channels.unsubscribe(&self.cx, key.index, index) {
            self.delivery.leave(key.index, index);
            self.choose_context(key);
        }
    }

    /// Whether broadcasts to a connection may be compressed. A window that is smaller than the
    /// compressors' gets them as they are.
    fn deflates(&self, key: ConnectionKey) -> bool {
        let agreed = self.connections[key].deflate();
        agreed.is_some_and(|agreed| agreed.window_bits() >= DEFLATE_WINDOW_BITS)
    }

    /// Chooses anew the channel context that a connection follows.
    pub(super) fn choose_context(&mut self, key: ConnectionKey) {
        if self.deflates(key) {
            let agreed = self.connections[key].deflate();
            let may_follow = agreed.is_some_and(|agreed| !agreed.is_twins_only());
            self.channels.choose_context(key.index, may_follow);
        }
    }

    /// Ends all subscriptions of a connection, for this reason.
    pub(super) fn unsubscribe_all(&mut self, key: ConnectionKey, why: PresenceEnd) {
        self.forget_patterns(key);
        if !self.presence.has_none() {
            let held = self.channels.subscriptions_of(key.index).iter();
            let held: Vec<ChannelIndex> = held.map(|subscription| subscription.channel).collect();
            held.into_iter().for_each(|index| self.leave_presence(key, index, why));
            self.presence.forget(key);
        }
        self.channels.unsubscribe_all(&self.cx, key.index);
        self.delivery.leave_all(key.index);
    }

    /// Does not receive from a client for a while.
    pub(super) fn pause_for(&mut self, key: ConnectionKey, pause: Duration) {
        let until = self.cx.time() + pause;
        self.connections.pause_until(&mut self.cx, key, until);
    }

    /// The settings a connection lives under.
    pub(super) fn settings(&self, key: ConnectionKey) -> &Service {
        self.cx.service(self.connections[key].service())
    }

    /// Whether it is an open connection of a client of the service.
    pub(super) fn is_client_of(&self, service: ServiceId, key: ConnectionKey) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(|c| c.is_open() && c.service() == service && !c.is_probe())
    }

    /// What the log says to identify a connection.
    pub(super) fn report(&self, key: ConnectionKey, user: Option<&str>) -> ClientReport {
        ClientReport {
            service: self.connections[key].service(),
            connection_id: self.connections.id(self.cx.shard, key),
            peer: self.connections[key].peer(),
            user: user.map(Into::into),
            certificate: self.connections.certificate(key.index).map(|shown| shown.name.clone()),
            close: None,
            skips: None,
            cause: None,
            exceeded: None,
            channel: None,
            behind: None,
        }
    }

    /// Forgets the channels that had only their subscribers and have lost them.
    pub(super) fn forget_left(&mut self) {
        let Core { channels, links, .. } = self;
        channels.forget_left(|home, index| links.ask(home, index));
    }

    /// A publication for a channel homed here.
    ///
    /// # Errors
    /// [`PublishError`] when the channel's log takes no more now, or the shard no more channels.
    pub(super) fn publish(&mut self, publication: &Publication) -> Result<Seq, PublishError> {
        let accepted = match self.cx.draining {
            true => Err(PublishError::Saturated),
            false => self.accept(publication),
        };
        if accepted == Err(PublishError::Saturated) {
            self.cx.recorder.count(Count::Refused, 1);
        }
        accepted
    }

    /// The same for a client's publication: once, if the client knows it by an id.
    ///
    /// # Errors
    /// As for [`Core::publish`].
    pub(super) fn publish_as(
        &mut self,
        publication: &Publication,
        known_as: Option<PublishId>,
    ) -> Result<Accepted, PublishError> {
        let (now, channel) = (self.cx.time(), &publication.channel);
        if let Some(id) = &known_as
            && let Some(seq) = self.published_ids.find(now, channel, id)
        {
            return Ok(Accepted { seq, is_repeat: true });
        }
        let seq = self.publish(publication)?;
        if let Some(id) = known_as {
            self.published_ids.insert(now, channel, id, seq);
        }
        Ok(Accepted { seq, is_repeat: false })
    }

    fn accept(&mut self, publication: &Publication) -> Result<Seq, PublishError> {
        let index = self.channels.accept(&mut self.cx, publication)?;
        self.match_patterns(index);
        Ok(self.channels.publish(&mut self.cx, index, publication))
    }

    /// Reads the log of a channel homed here, for a request.
    pub(super) fn read_log(&mut self, name: &ChannelName, range: &HistoryRange) -> LogPage {
        let page = self.channels.read_log(&self.cx, name, range);
        self.cx.recorder.count(Count::HistoryReads, 1);
        self.cx.recorder.count(Count::HistoryMessages, page.len() as u64);
        page
    }

    /// Lets a subscription go on in the past, or ahead of where it stands; up to `newest_to` with
    /// the newest message of each key.
    pub(super) fn recover(
        &mut self,
        key: ConnectionKey,
        index: ChannelIndex,
        (next, newest_to): (Seq, Seq),
    ) {
        self.channels.interrupt_context(key.index, index);
        self.delivery.recover(&mut self.cx, &self.channels, key, index, (next, newest_to));
    }

    /// Encodes an answer to a client, and queues it.
    pub(super) fn answer(
        &mut self,
        key: ConnectionKey,
        kind: MessageType,
        write: impl FnOnce(&mut Encoder, Stamp, &mut Vec<u8>),
    ) {
        let frame = self.cx.encode(write);
        self.connections.answer(&mut self.cx, key, kind, frame);
    }
}
