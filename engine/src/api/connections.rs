//! Looking for connections: each shard is asked until its table is done.

use std::sync::Arc;

use super::Engine;
use super::cursor::Cursor;
use crate::broker::{ConnectionDetail, ConnectionInfo, ConnectionQuery};
use crate::limits::CONNECTIONS_PAGE;
use crate::shard::Question;
use crate::types::{PublishError, ServiceId, ServiceLoad, ShardId};

impl Engine {
    /// Up to `limit` open connections from `cursor` on (start with 0), and the cursor of the next
    /// page, `None` after the last. At most [`CONNECTIONS_PAGE`] fit in a page. Connections that
    /// come and go meanwhile may be missed or seen.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when a shard has too many commands queued.
    pub async fn connections(
        &self,
        mut query: ConnectionQuery,
        cursor: u64,
        limit: usize,
    ) -> Result<(Vec<ConnectionInfo>, Option<u64>), PublishError> {
        query.channel = query.channel.map(|name| name.at(query.service));
        let (query, limit) = (Arc::new(query), limit.clamp(1, CONNECTIONS_PAGE));
        let (mut page, mut at) = (Vec::new(), Cursor::decode(cursor));
        while at.shard < self.shards() {
            if page.len() == limit {
                return Ok((page, Some(at.encode())));
            }
            let find = |reply| Question::Connections {
                query: Arc::clone(&query),
                from: at.slot,
                limit: limit - page.len(),
                reply,
            };
            // No answer: the shard has ended, and with it its connections.
            let (found, slot) = self.topology.handle.ask(at.shard, find)?.await.unwrap_or_default();
            page.extend(found);
            at = at.next(slot);
        }
        Ok((page, None))
    }

    /// The client's open connection with this id, at a service.
    ///
    /// # Errors
    /// [`PublishError::Saturated`], as for [`Engine::connections`].
    pub async fn connection(
        &self,
        service: ServiceId,
        id: &str,
    ) -> Result<Option<ConnectionDetail>, PublishError> {
        // Anything else is no connection's.
        let Some(named) = ShardId::of_connection(id) else { return Ok(None) };
        let id: Arc<str> = Arc::from(id);
        for shard in self.shards_from(named) {
            let find = |reply| Question::Connection { service, id: Arc::clone(&id), reply };
            let found = self.topology.handle.ask(shard, find)?.await.ok().flatten();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// All shards, from the one on that an id names: a connection that was handed over by another
    /// process has the id that it had there.
    pub(super) fn shards_from(&self, named: ShardId) -> impl Iterator<Item = usize> + use<> {
        let (first, shards) = (named.index(), self.shards());
        (0..shards).map(move |nth| (first + nth) % shards)
    }

    /// What the clients of each service hold now, on all shards.
    ///
    /// # Errors
    /// [`PublishError::Saturated`], as for [`Engine::connections`].
    pub async fn loads(&self) -> Result<Vec<ServiceLoad>, PublishError> {
        let ask = |shard| self.topology.handle.ask(shard, |reply| Question::Loads { reply });
        let asked = (0..self.shards()).map(ask).collect::<Result<Vec<_>, _>>()?;
        let mut sums = vec![ServiceLoad::default(); self.names.len()];
        for answer in asked {
            for (sum, load) in sums.iter_mut().zip(answer.await.unwrap_or_default()) {
                *sum += load;
            }
        }
        Ok(sums)
    }
}
