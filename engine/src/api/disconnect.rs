//! Ending connections and subscriptions: each shard gets commands until its table is done.

use std::sync::Arc;

use super::Engine;
use crate::shard::Command;
use crate::types::{ClientAction, ClientCommand, PublishError, ShardId, Target};

impl Engine {
    /// Ends connections or subscriptions, and returns how many. Those that begin meanwhile may be
    /// missed.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when a shard's mailbox has no room for the command. Other shards
    /// may have carried it out; it can be repeated.
    pub async fn disconnect(&self, mut command: ClientCommand) -> Result<u64, PublishError> {
        if let Target::Channel(name) = command.target {
            command.target = Target::Channel(name.at(command.service));
        }
        if let ClientAction::Unsubscribe(Some(name)) = command.action {
            command.action = ClientAction::Unsubscribe(Some(name.at(command.service)));
        }
        // An id names its shard; anything else is no connection's.
        let only = match &command.target {
            Target::Connection(id) => match ShardId::of_connection(id) {
                Some(shard) => Some(shard.index()),
                None => return Ok(0),
            },
            _ => None,
        };
        let command = Arc::new(command);
        let mut count = 0;
        for shard in 0..self.shards() {
            let mut next = only.is_none_or(|only| only == shard).then_some(0);
            while let Some(from) = next {
                let expel = |reply| Command::Expel { command: Arc::clone(&command), from, reply };
                let answer = self.topology.handle.request(shard, 0, expel)?;
                // No answer: the shard has ended, and with it its connections.
                let (some, rest) = answer.await.unwrap_or_default();
                count += some;
                next = rest;
            }
        }
        Ok(count)
    }
}
