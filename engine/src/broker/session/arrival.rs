//! Joining channels: whether there is room for each, and how the subscriptions of one request take
//! effect.

use super::answers;
use super::auth::Authentication;
use super::order::Order;
use super::streams;
use crate::broker::core::{Core, Joined};
#[cfg(test)]
use crate::broker::recovery_faults::RecoveryFault;
use crate::types::{ChannelIndex, ChannelName, ChannelRefusal, ConnectionKey, ErrorCode};

/// Finds or makes the channels that a connection may subscribe to, and holds each. The order keeps
/// their names, and why the others were refused.
pub(super) fn hold_channels(
    core: &mut Core,
    auth: &Authentication,
    key: ConnectionKey,
    order: &mut Order,
) -> Vec<ChannelIndex> {
    let mut channels = Vec::with_capacity(order.names.len());
    let mut have = core.channels.subscriptions_of(key.index).len();
    for name in std::mem::take(&mut order.names) {
        if !auth.may_subscribe(core, key, name.as_str()) {
            order.failed.push((name.as_str().to_owned(), ErrorCode::Forbidden));
            continue;
        }
        if order.presence && !core.cx.class_of(&name).presence {
            order.failed.push((name.as_str().to_owned(), ErrorCode::InvalidRequest));
            continue;
        }
        if order.reads_log() && !auth.may_read_history(core, key, &name) {
            order.failed.push((name.as_str().to_owned(), ErrorCode::Forbidden));
            continue;
        }
        match room_for(core, key, &name, have) {
            Ok((index, new)) => {
                have += usize::from(new);
                core.channels.hold(index);
                channels.push(index);
                order.names.push(name);
            }
            Err(refusal) => order.refuse(&name, refusal),
        }
    }
    channels
}

/// The channel, and whether the connection does not have it yet; without room for it, the limit of
/// channels or, if `None`, the connection's own.
fn room_for(
    core: &mut Core,
    key: ConnectionKey,
    name: &ChannelName,
    have: usize,
) -> Result<(ChannelIndex, bool), Option<ChannelRefusal>> {
    let old = |index: &ChannelIndex| core.channels.is_subscribed(key.index, *index);
    if let Some(index) = core.channels.find(name).filter(old) {
        return Ok((index, false));
    }
    if have >= core.settings(key).access.max_subscriptions {
        return Err(None);
    }
    let maker = core.maker(key);
    let found = core.channels.find_or_add(&mut core.cx, name, maker);
    found.map(|index| (index, true)).map_err(Some)
}

/// Every home has answered: the subscriptions take effect and are confirmed together. Returns
/// whether the connection is still there.
pub(super) fn take_effect(
    core: &mut Core,
    auth: &Authentication,
    key: ConnectionKey,
    order: &Order,
    channels: &[ChannelIndex],
) -> bool {
    for &index in channels {
        core.channels.release(index);
    }
    if !core.connections.is_open(key) {
        return false;
    }
    let starts = order.names.iter().map(|name| order.start(name));
    #[cfg(test)]
    let starts = RecoveryFault::cross(starts);
    let starts = channels.iter().zip(starts);
    let subscribe = |(&index, start)| {
        #[cfg(test)]
        let start = match order.found_state() {
            Some(_) => RecoveryFault::skip(start, core.channels.log(index).head()),
            None => start,
        };
        core.subscribe(key, index, start)
    };
    let joined: Vec<Joined> = starts.map(subscribe).collect();
    match core.connections.is_opening(key) {
        true => streams::opened(core, key, order, &joined),
        false => answers::subscribed(core, key, order, &joined),
    }
    core.delivery.charge(&mut core.cx, key);
    for (&index, joined) in channels.iter().zip(&joined) {
        if let Some(next) = joined.next {
            core.recover(key, index, (next, joined.newest_to));
        }
    }
    for &index in channels {
        core.enter_presence(key, index, auth.user(key));
        if order.presence {
            core.ask_presence(key, core.channels.name(index).clone(), None);
        }
    }
    true
}
