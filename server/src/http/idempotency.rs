//! Messages with an id, and the positions they got: a repeat within the window gets the same
//! answer, and nothing is published.
//!
//! Ids belong to an API key and a service: what one publisher calls its messages means nothing to
//! another. All share the table's places; when it is full, the owner with the most ids gives up its
//! oldest, so that none loses an id while it has less than an equal share.

mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::SetOnce;
use uringcast_engine::{ChannelName, PublishError, Seq, ServiceId};

pub(super) use table::Owner;
use table::{Place, State, Table};

/// The result of publishing a message.
type PublishResult = Result<Seq, PublishError>;

/// The table, shared by all requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdempotencyTable(Arc<Mutex<Table>>);

/// What to do with a message.
#[derive(Debug)]
pub(super) enum Claim {
    /// Publish it, and [`Reservation::settle`].
    New(Reservation),
    /// It has this position already.
    Known(Seq),
    /// Another request is publishing it.
    Pending(PendingResult),
}

/// The right to publish a message with an id. Dropped unsettled, it is given up.
#[derive(Debug)]
pub(super) struct Reservation {
    table: IdempotencyTable,
    place: Place,
    id: Box<str>,
    is_published: bool,
}

/// The result of a message that another request is publishing.
#[derive(Debug)]
pub(super) struct PendingResult(Arc<SetOnce<PublishResult>>);

impl IdempotencyTable {
    /// Looks a message up, and enters it if it is new. The owner says of which service the channel
    /// is.
    pub(super) fn claim(
        &self,
        owner: Owner<'_>,
        channel: &ChannelName,
        id: Box<str>,
        now: Instant,
    ) -> Claim {
        let mut table = self.0.lock();
        let owner = table.owner(owner);
        table.evict_old(owner, now);
        let key = table.read(owner, channel.as_str(), &id);
        match table.find(key).map(|entry| &mut entry.state) {
            Some(State::Published(seq)) => return Claim::Known(*seq),
            Some(State::Pending(result)) => {
                return Claim::Pending(PendingResult(Arc::clone(result.get_or_insert_default())));
            }
            None => {}
        }
        let place = table.insert(key, now);
        drop(table);
        Claim::New(Reservation { table: self.clone(), place, id, is_published: false })
    }
}

/// A message that is published, as the server that takes over reads it.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// The name of the API key.
    key: Box<str>,
    service: u8,
    channel: String,
    id: Box<str>,
    seq: u64,
    /// Since its request, in milliseconds.
    age_ms: u64,
}

impl IdempotencyTable {
    /// What is published, a line for each, the oldest of each owner first.
    pub(crate) fn lines(&self, now: Instant) -> Vec<u8> {
        let (table, mut lines) = (self.0.lock(), Vec::new());
        for chain in &table.chains {
            for entry in table.entries(chain) {
                let State::Published(seq) = entry.state else { continue };
                let age = now.duration_since(entry.since).as_millis();
                let (channel, id) = entry.names();
                let remembered = Remembered {
                    key: chain.owner.key.clone(),
                    service: chain.owner.service.0,
                    channel: channel.into(),
                    id: id.into(),
                    seq: seq.0,
                    age_ms: u64::try_from(age).unwrap_or(u64::MAX),
                };
                serde_json::to_writer(&mut lines, &remembered).expect("a line is JSON");
                lines.push(b'\n');
            }
        }
        lines
    }

    /// Enters what the server before has published.
    ///
    /// # Errors
    /// A line that is none.
    pub(crate) fn take_over(&self, lines: &[u8], now: Instant) -> Result<(), String> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Remembered =
                serde_json::from_slice(line).map_err(|error| error.to_string())?;
            let service = ServiceId(line.service);
            let channel = ChannelName::parse(&line.channel).map_err(|error| error.to_string())?;
            let since = now.checked_sub(Duration::from_millis(line.age_ms)).unwrap_or(now);
            let owner = Owner { key: &line.key, service };
            // Only a line that is there twice is known already.
            if let Claim::New(new) = self.claim(owner, &channel, line.id, since) {
                new.settle(Ok(Seq(line.seq)));
            }
        }
        Ok(())
    }
}

impl Reservation {
    /// The message's id among those of all owners, for an order of several servers that remembers
    /// such ids by channel.
    pub(super) fn message_id(&self) -> Box<str> {
        let table = self.table.0.lock();
        let owner = &table.chains[self.place.owner as usize].owner;
        format!("{}\u{1f}{}", owner.key, self.id).into()
    }

    /// Records the result. After a failure the next request with this id may publish the message.
    pub(super) fn settle(mut self, result: PublishResult) {
        self.is_published = result.is_ok();
        if let Some(entry) = self.table.0.lock().entry(self.place) {
            entry.state.settle(result);
        }
    }
}

/// Forgets the message, unless it is published.
impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_published {
            self.table.0.lock().forget(self.place);
        }
    }
}

impl PendingResult {
    /// Waits for it. If the first request is dropped, the result is [`PublishError::Saturated`].
    pub(super) async fn result(self) -> PublishResult {
        *self.0.wait().await
    }
}

#[cfg(test)]
mod tests;
