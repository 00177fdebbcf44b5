//! Requests for Server-Sent Events: answered once their clients are known and their channels are
//! joined.

use std::time::Duration;

use http::StatusCode;

use super::Sessions;
use super::answers;
use super::order::{Action, Order};
use crate::broker::connection::CloseReason;
use crate::broker::core::{Core, Joined};
use crate::config::AuthMode;
use crate::telemetry::MessageError;
use crate::types::{ChannelName, ConnectionKey, Epoch, MessageType, Seq};
use crate::wire::event_stream::{self, Position, Refusal};
use crate::wire::reply::{self, Standing};
use crate::wire::request::Since;

impl Sessions {
    /// The client of a stream is known: joins the channels that it asked for.
    pub(super) fn open_stream(&mut self, core: &mut Core, key: ConnectionKey, authenticated: bool) {
        let Some(opening) = core.connections.opening(key) else { return };
        let names = opening.request.channels.clone();
        let since = std::mem::take(&mut opening.request.since);
        let (last, latest) = (opening.request.last, opening.request.latest);
        let may = |name: &ChannelName| match last > 0 || latest {
            true => self.auth.may_read_history(core, key, name),
            false => self.auth.may_subscribe(core, key, name.as_str()),
        };
        let forbidden = names.iter().find(|name| !may(name));
        if let Some(name) = forbidden {
            let text = format!("Not authorized to subscribe to {name}");
            core.cx
                .recorder
                .message_error(core.connections[key].service(), MessageError::Forbidden);
            return refuse(core, key, StatusCode::FORBIDDEN, "forbidden", text);
        }
        let lead = lead(core, key, authenticated);
        if let Some(opening) = core.connections.opening(key) {
            opening.lead = lead;
        }
        let position = |(name, epoch, seq): (ChannelName, Epoch, Seq)| {
            (name.as_str().into(), Since { epoch: Some(epoch), seq })
        };
        let mut order = Order::unasked(names, Action::Subscribe);
        order.since = since.into_iter().map(position).collect();
        (order.last, order.latest) = (last, latest);
        self.order(core, key, order);
    }
}

/// Whether a connection is a stream that needs a token in its request: its client says no more.
pub(super) fn needs_token(core: &Core, key: ConnectionKey) -> bool {
    core.connections.is_opening(key) && core.settings(key).access.mode == AuthMode::Required
}

/// The head of the response and the welcome.
fn lead(core: &mut Core, key: ConnectionKey, authenticated: bool) -> Vec<u8> {
    let base = core.settings(key).reconnect.base.max(Duration::from_millis(1));
    // Spread over as long again: browsers come back after just this time.
    let ms = u64::try_from(base.as_millis()).unwrap_or(u64::MAX / 2).max(1);
    let retry_ms = ms + core.cx.random() % ms;
    let origin = core.connections.opening(key).and_then(|opening| opening.request.origin.clone());
    let mut lead = event_stream::head(origin.as_deref(), retry_ms);
    let welcome = answers::welcome_frame(core, key, authenticated);
    lead.extend(event_stream::of_frame(None, &welcome));
    lead
}

/// Answers a request with another status than 200.
fn refuse(
    core: &mut Core,
    key: ConnectionKey,
    status: StatusCode,
    code: &'static str,
    message: String,
) {
    if let Some(opening) = core.connections.opening(key) {
        opening.refusal = Some(Refusal { status, code, message });
    }
    core.cx.close(key, CloseReason::NoStream);
}

/// The channels of a stream are joined, or some of them could not be: answers its request.
pub(super) fn opened(core: &mut Core, key: ConnectionKey, order: &Order, joined: &[Joined]) {
    if !order.failed.is_empty() || joined.is_empty() {
        let text = answers::at_limit(core, key, order);
        core.cx.recorder.message_error(core.connections[key].service(), MessageError::Limit);
        return refuse(core, key, StatusCode::INSUFFICIENT_STORAGE, "limit_exceeded", text);
    }
    let Some(opening) = core.connections.end_opening(key) else { return };
    core.cx.reply(key, opening.lead);
    if let Some(why) = core.cx.degraded {
        answers::tell_availability(core, key, Some(why));
    }
    let mut positions = Vec::with_capacity(joined.len());
    for (channel, joined) in order.names.iter().zip(joined) {
        let confirmation = reply::subscribed(channel, joined.standing, None);
        core.answer(key, MessageType::Response, |encoder, stamp, out| {
            encoder.write(stamp, None, &confirmation, out);
        });
        // A client that is sent what came since a position has nothing behind it yet.
        let Joined { standing: Standing { seq, epoch, .. }, next, .. } = *joined;
        positions.push(Position { channel, epoch, seq: next.map_or(seq, |next| Seq(next.0 - 1)) });
    }
    let mut id = Vec::new();
    event_stream::positions(&positions, &mut id);
    core.cx.reply(key, id);
}
