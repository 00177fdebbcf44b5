//! Ending connections and subscriptions: every shard is asked until it is through.

use std::sync::Arc;

use super::Saturated;
use super::control::Control;
use crate::shard::Command;
use crate::types::{Expulsion, Penalty, ShardId, Target};

/// See [`Engine::expel`](super::Engine::expel).
pub(super) async fn expel(control: &Control, mut expulsion: Expulsion) -> Result<u64, Saturated> {
    if let Target::Channel(name) = expulsion.target {
        expulsion.target = Target::Channel(name.at(expulsion.service));
    }
    if let Penalty::Unsubscribe(Some(name)) = expulsion.penalty {
        expulsion.penalty = Penalty::Unsubscribe(Some(name.at(expulsion.service)));
    }
    // An id names its shard; one that is no id is nobody's.
    let only = match &expulsion.target {
        Target::Connection(id) => match ShardId::of_connection(id) {
            Some(shard) => Some(shard.index()),
            None => return Ok(0),
        },
        _ => None,
    };
    let expulsion = Arc::new(expulsion);
    let mut count = 0;
    for (shard, mailbox) in control.mailboxes.iter().enumerate() {
        let mut next = only.is_none_or(|only| only == shard).then_some(0);
        while let Some(from) = next {
            let (reply, answer) = oneshot::async_channel();
            let command = Command::Expel { expulsion: Arc::clone(&expulsion), from, reply };
            mailbox.send_control(command).map_err(|_| Saturated::NOW)?;
            // No answer: the shard has ended, and with it its connections.
            let (some, rest) = answer.await.unwrap_or_default();
            count += some;
            next = rest;
        }
    }
    Ok(count)
}
