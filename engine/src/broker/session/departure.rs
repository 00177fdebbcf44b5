//! Leaving channels at a position: what each channel's home has accepted by then is handed to the
//! client first.

use super::answers;
use super::order::{Action, Order};
use crate::broker::core::Core;
use crate::broker::shard_messages::Request;
use crate::limits::LEAVE_PATIENCE;
use crate::types::{ChannelIndex, ChannelName, ConnectionKey, OperationId, Seq, ShardId, Time};

/// What a connection that leaves channels is to be handed before.
#[derive(Debug, Default)]
pub(super) struct Departure {
    /// Of each channel, the last message.
    pub(super) positions: Vec<(ChannelIndex, Seq)>,
    /// Homes to be asked for such positions.
    pub(super) unasked: Vec<(ShardId, Vec<(ChannelIndex, ChannelName)>)>,
    /// When it takes effect at the latest.
    pub(super) until: Time,
}

impl Departure {
    /// Of those channels of an order that the connection is subscribed to.
    pub(super) fn new(core: &Core, key: ConnectionKey, order: &Order) -> Departure {
        let until = core.cx.time() + LEAVE_PATIENCE;
        let mut departure = Departure { until, ..Departure::default() };
        for name in &order.names {
            let Some(index) = core.channels.find(name) else { continue };
            if !core.channels.is_subscribed(key.index, index) {
                continue;
            }
            let acknowledged = core.channels.acknowledged(index);
            if acknowledged > Seq(0) {
                departure.positions.push((index, acknowledged));
            }
            let home = core.cx.homes.of(name);
            if home == core.cx.shard {
                departure.positions.push((index, core.channels.log(index).head()));
                continue;
            }
            let entry = (index, name.clone());
            match departure.unasked.iter_mut().find(|(shard, _)| *shard == home) {
                Some((_, channels)) => channels.push(entry),
                None => departure.unasked.push((home, vec![entry])),
            }
        }
        departure
    }

    /// Asks the homes for which there is a credit. Returns how many.
    pub(super) fn ask(&mut self, core: &mut Core, id: OperationId) -> usize {
        let before = self.unasked.len();
        self.unasked.retain_mut(|(home, channels)| {
            if !core.links.has_credit(*home) {
                return true;
            }
            let channels = std::mem::take(channels);
            core.links.request(*home, Request::Heads { id, channels });
            false
        });
        before - self.unasked.len()
    }

    /// Whether all homes were asked, and the connection has been handed what they had then. A
    /// connection that is too slow, or a frame that does not come, is not waited for any longer.
    pub(super) fn is_over(&self, core: &Core, key: ConnectionKey) -> bool {
        let late = self.until <= core.cx.time();
        let is_over = |(channel, position): &(ChannelIndex, Seq)| {
            let Some(handed) = core.handed(key, *channel) else { return true };
            let is_behind = core.delivery.cursor(key.index, *channel).is_some()
                || core.channels.log(*channel).head() < *position;
            // A sweep that is to be written together with others is written first.
            (handed >= *position || late && is_behind) && !core.delivery.owes(key.index, *channel)
        };
        self.unasked.is_empty() && self.positions.iter().all(is_over)
    }
}

/// Everything that is owed was handed over: the order takes effect.
pub(super) fn take_effect(core: &mut Core, key: ConnectionKey, order: &Order) {
    if let Action::Close(reason) = order.action {
        return core.cx.close(key, reason);
    }
    for name in &order.names {
        if let Some(index) = core.channels.find(name) {
            core.unsubscribe(key, index);
        }
    }
    if order.pattern.is_some() {
        return answers::pattern(core, key, order, None);
    }
    answers::unsubscribed(core, key, order);
}

/// Ends a connection's pattern, if the order is to leave one: no further channel is reached. The
/// order is to leave those that the connection has by nothing else.
pub(super) fn end_pattern(core: &mut Core, key: ConnectionKey, order: &mut Order) {
    let (Action::Unwatch, Some(pattern)) = (order.action, &order.pattern) else { return };
    core.patterns.remove(key.index, pattern);
    let name = |index| core.channels.name(index);
    let reached = core.patterns.reached(key.index).into_iter().map(name);
    let is_left = |name: &&ChannelName| !core.patterns.covers(key.index, name);
    order.names = reached.filter(is_left).cloned().collect();
}
