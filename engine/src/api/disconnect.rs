//! Ending connections and subscriptions: each shard gets commands until its table is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Engine;
use crate::limits::MAX_DRAIN_SPREAD;
use crate::shard::Command;
use crate::types::{
    ClientAction, ClientCommand, DrainReason, PublishError, ServiceId, ShardId, Target,
};

impl Engine {
    /// Begins the end of the engine, which [`Engine::drain`] completes: from now on new connections
    /// are answered 503, or wait for the next process where their sockets are
    /// [inherited](crate::Config::inherited), and every client is told to reconnect and closed with
    /// 1001, evenly within `spread`. Publications are accepted and delivered meanwhile. Returns how
    /// many clients were told.
    ///
    /// # Errors
    /// [`PublishError::Saturated`], as for [`Engine::disconnect`]: call again.
    pub async fn begin_drain(&self, spread: Duration) -> Result<u64, PublishError> {
        let spread = spread.min(MAX_DRAIN_SPREAD);
        let until = Instant::now() + spread;
        for shard in 0..self.shards() {
            let refuse = |reply| Command::Refuse { until, reply };
            // No answer: the shard has ended.
            let _ = self.topology.handle.request(shard, 0, refuse)?.await;
        }
        let mut told = 0;
        for service in (0..self.names.len()).map(|place| ServiceId(place as u8)) {
            let action = ClientAction::Reconnect(spread, DrainReason::Shutdown);
            told += self
                .disconnect(ClientCommand { service, target: Target::Share(100), action })
                .await?;
        }
        Ok(told)
    }

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
        let (first, is_one) = match &command.target {
            // Anything else is no connection's.
            Target::Connection(id) => match ShardId::of_connection(id) {
                Some(named) => (named, true),
                None => return Ok(0),
            },
            _ => (ShardId(0), false),
        };
        let command = Arc::new(command);
        let mut count = 0;
        for shard in self.shards_from(first) {
            if is_one && count > 0 {
                break;
            }
            let mut next = Some(0);
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
