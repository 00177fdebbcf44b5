//! Subscriptions to all channels with names that begin alike, and what other shards have of them.
//!
//! A channel is matched once, when something is published to it: its `matched` is then the
//! [`Patterns::generation`]. A connection with such a pattern is a member of the channel's live set
//! from then on, like any subscriber. A later pattern has another generation.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::pattern_set::{PatternKey, PatternSet, places};
use super::shared_count::SharedCount;
#[cfg(test)]
use super::upstream_faults::UpstreamFault;
use super::upstream_messages::UpstreamRequest;
use crate::limits::{PATTERNS_PER_CONNECTION, PATTERNS_PER_SHARD};
use crate::types::{ChannelIndex, ChannelName, ShardId};

/// The patterns of a shard's clients.
#[derive(Debug)]
pub(super) struct Patterns {
    /// In order.
    own: Vec<Held>,
    count: SharedCount,
    /// By connection index.
    clients: HashMap<u32, Client>,
    /// By shard.
    others: Vec<Arc<PatternSet>>,
    generation: u32,
    /// Of the own patterns: rises with each change.
    version: u32,
    /// The own patterns in that version, once another shard is told.
    set: Option<Arc<PatternSet>>,
    watch: Watch,
    /// The saboteur of the simulation: other shards are not told of channels.
    #[cfg(test)]
    pub(super) untold: bool,
}

/// What the saboteur of the simulation breaks.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternFault {
    /// Other shards are not told of channels that appear.
    Untold,
    /// Patterns are confirmed before other shards know them.
    Hasty,
}

/// A pattern that clients of this shard have.
#[derive(Debug)]
struct Held {
    key: PatternKey,
    /// Connections that have it, also those that other shards do not know of yet.
    clients: usize,
    /// Those that it is confirmed to.
    members: BTreeSet<u32>,
}

/// What an external order knows of the own patterns.
#[derive(Debug, Default)]
struct Watch {
    /// The version of which everything comes.
    known: u32,
    /// The version that it is being told.
    asked: Option<u32>,
    /// It has not answered: it is told again with the next tick.
    is_unanswered: bool,
    /// It is to be told, also if that are none: the patterns were taken over.
    is_new: bool,
}

/// A connection with patterns.
#[derive(Debug, Default)]
struct Client {
    patterns: Vec<PatternKey>,
    /// Channels that it has by its patterns alone.
    reached: BTreeSet<ChannelIndex>,
}

/// The limit that one more pattern would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternRefusal {
    #[error("A connection may have {PATTERNS_PER_CONNECTION} patterns")]
    Connection,
    #[error("The server has no room for another pattern")]
    Shard,
}

impl Patterns {
    /// None, at a shard of so many, for clients of so many services.
    pub(super) fn new(shards: usize, services: usize) -> Patterns {
        Patterns {
            own: Vec::new(),
            count: SharedCount::new(services),
            clients: HashMap::new(),
            others: vec![Arc::default(); shards],
            generation: 0,
            version: 0,
            set: None,
            watch: Watch::default(),
            #[cfg(test)]
            untold: false,
        }
    }

    /// What a channel has once its subscribers by pattern are members.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    fn rematch(&mut self) {
        self.generation = self.generation.wrapping_add(1).max(1);
    }

    // Those of this shard's clients.

    /// A connection is to have a pattern. Returns the version that other shards must know first.
    ///
    /// # Errors
    /// The limit that it would pass.
    pub(super) fn add(&mut self, connection: u32, key: &PatternKey) -> Result<u32, PatternRefusal> {
        let of = self.clients.get(&connection).map_or(&[][..], |client| &client.patterns);
        if of.contains(key) {
            return Ok(self.version);
        }
        if of.len() >= PATTERNS_PER_CONNECTION {
            return Err(PatternRefusal::Connection);
        }
        match self.own.binary_search_by(|held| held.key.cmp(key)) {
            Ok(place) => self.own[place].clients += 1,
            Err(place) => {
                if !self.count.fits(key.service, 1, PATTERNS_PER_SHARD) {
                    return Err(PatternRefusal::Shard);
                }
                self.count.add(key.service, 1);
                let (key, members) = (key.clone(), BTreeSet::new());
                self.own.insert(place, Held { key, clients: 1, members });
                self.change();
            }
        }
        self.clients.entry(connection).or_default().patterns.push(key.clone());
        Ok(self.version)
    }

    /// A connection of another process has a pattern, which all shards are told of otherwise.
    pub(super) fn take_over(&mut self, connection: u32, key: PatternKey) {
        let client = self.clients.entry(connection).or_default();
        if client.patterns.contains(&key) {
            return;
        }
        client.patterns.push(key.clone());
        let place = match self.own.binary_search_by(|held| held.key.cmp(&key)) {
            Ok(place) => place,
            Err(place) => {
                self.count.add(key.service, 1);
                let (clients, members) = (0, BTreeSet::new());
                self.own.insert(place, Held { key, clients, members });
                self.change();
                place
            }
        };
        self.own[place].clients += 1;
        self.own[place].members.insert(connection);
        self.rematch();
    }

    /// All shards know it: channels that match it are reached from now on.
    pub(super) fn confirm(&mut self, connection: u32, key: &PatternKey) {
        if let Ok(place) = self.own.binary_search_by(|held| held.key.cmp(key)) {
            self.own[place].members.insert(connection);
            self.rematch();
        }
    }

    /// A connection has a pattern no more. What it has reached stays, until it is left.
    pub(super) fn remove(&mut self, connection: u32, key: &PatternKey) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        let Some(place) = client.patterns.iter().position(|has| has == key) else { return };
        client.patterns.remove(place);
        self.give_back(connection, key);
        self.clear_away(connection);
    }

    fn give_back(&mut self, connection: u32, key: &PatternKey) {
        let Ok(place) = self.own.binary_search_by(|held| held.key.cmp(key)) else { return };
        let held = &mut self.own[place];
        held.members.remove(&connection);
        held.clients -= 1;
        if held.clients == 0 {
            self.count.remove(key.service, 1);
            self.own.remove(place);
            self.change();
        }
    }

    fn clear_away(&mut self, connection: u32) {
        let of = self.clients.get(&connection);
        if of.is_some_and(|client| client.patterns.is_empty() && client.reached.is_empty()) {
            self.clients.remove(&connection);
        }
    }

    /// A connection is gone. Returns the channels that it had by patterns alone.
    pub(super) fn forget(&mut self, connection: u32) -> BTreeSet<ChannelIndex> {
        let Some(client) = self.clients.remove(&connection) else { return BTreeSet::new() };
        client.patterns.iter().for_each(|key| self.give_back(connection, key));
        client.reached
    }

    /// The patterns of a connection.
    pub(super) fn of(&self, connection: u32) -> &[PatternKey] {
        self.clients.get(&connection).map_or(&[], |client| &client.patterns)
    }

    /// Connections with patterns, in order.
    pub(super) fn connections(&self) -> BTreeSet<u32> {
        self.clients.keys().copied().collect()
    }

    /// The connections that are to have a channel, each with one of its patterns.
    pub(super) fn members_of(&self, name: &ChannelName) -> Vec<(u32, PatternKey)> {
        let places = places(&self.own, |held| &held.key, name);
        let held = places.iter().map(|place| &self.own[*place]);
        let members = held.flat_map(|held| held.members.iter().map(|&of| (of, held.key.clone())));
        let mut members: Vec<_> = members.collect();
        members.sort_by_key(|(connection, _)| *connection);
        members.dedup_by_key(|(connection, _)| *connection);
        members
    }

    /// Whether a pattern of the connection is about a channel.
    pub(super) fn covers(&self, connection: u32, name: &ChannelName) -> bool {
        let is_about = |key: &PatternKey| {
            key.service == name.service() && name.as_str().starts_with(&*key.prefix)
        };
        self.of(connection).iter().any(is_about)
    }

    // Channels of connections that they have by patterns alone.

    /// Such channels of a connection, in order.
    pub(super) fn reached(&self, connection: u32) -> Vec<ChannelIndex> {
        let client = self.clients.get(&connection);
        client.map_or(Vec::new(), |client| client.reached.iter().copied().collect())
    }

    /// The connection has it by a pattern alone. Returns `false` if that was known.
    pub(super) fn reach(&mut self, connection: u32, channel: ChannelIndex) -> bool {
        self.clients.entry(connection).or_default().reached.insert(channel)
    }

    /// The connection has it by name, or not any more. Returns whether it had it by a pattern
    /// alone.
    pub(super) fn unreach(&mut self, connection: u32, channel: ChannelIndex) -> bool {
        let client = self.clients.get_mut(&connection);
        let reached = client.is_some_and(|client| client.reached.remove(&channel));
        if reached {
            self.clear_away(connection);
        }
        reached
    }

    // Between shards.

    fn change(&mut self) {
        self.version += 1;
        self.set = None;
    }

    /// The version of the own patterns.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// The own patterns.
    pub(super) fn set(&mut self) -> Arc<PatternSet> {
        let keys = self.own.iter().map(|held| held.key.clone());
        self.set.get_or_insert_with(|| PatternSet::new(keys).into()).clone()
    }

    /// What an external order, if there is one, is to be told of the own patterns.
    pub(super) fn next_watch(&mut self, is_external: bool) -> Option<UpstreamRequest> {
        let version = self.version;
        let Watch { known, asked, is_new, .. } = self.watch;
        if !is_external || asked.is_some() || known == version && !is_new {
            return None;
        }
        self.watch.asked = Some(version);
        Some(UpstreamRequest::Watch { version, set: self.set() })
    }

    /// An external order is to be told of the own patterns, which were taken over: also if there
    /// are none.
    pub(super) fn watch_anew(&mut self) {
        #[cfg(test)]
        if UpstreamFault::Unwatched.is_present() {
            return;
        }
        self.watch.is_new = true;
    }

    /// An external order has answered that everything comes that is published to the channels of
    /// the patterns of this version, or has not answered.
    pub(super) fn handle_watched(&mut self, version: u32, is_watched: bool) {
        if is_watched {
            (self.watch.known, self.watch.asked, self.watch.is_new) = (version, None, false);
        } else {
            self.watch.is_unanswered = true;
        }
    }

    /// The clock ticked: an external order that has not answered is asked again.
    pub(super) fn retry_watch(&mut self) {
        if std::mem::take(&mut self.watch.is_unanswered) {
            self.watch.asked = None;
        }
    }

    /// Whether an external order knows this version of the patterns, or a later one.
    pub(super) fn is_watched(&self, version: u32) -> bool {
        self.watch.known >= version
    }

    /// Whether clients of any shard have a pattern of this channel.
    pub(super) fn is_wanted_by_any(&self, name: &ChannelName) -> bool {
        !places(&self.own, |held| &held.key, name).is_empty() || !self.wanting(name).is_empty()
    }

    /// Another shard's clients have these patterns now.
    pub(super) fn take_set(&mut self, shard: ShardId, set: Arc<PatternSet>) {
        self.others[shard.index()] = set;
        self.rematch();
    }

    /// Whether clients of another shard have a pattern of this channel.
    pub(super) fn is_wanted(&self, shard: ShardId, name: &ChannelName) -> bool {
        self.others[shard.index()].matches(name)
    }

    /// The other shards with clients that have a pattern of this channel.
    pub(super) fn wanting(&self, name: &ChannelName) -> Vec<ShardId> {
        #[cfg(test)]
        if self.untold {
            return Vec::new();
        }
        let shards = (0..self.others.len()).map(|shard| ShardId(shard as u8));
        shards.filter(|shard| self.is_wanted(*shard, name)).collect()
    }

    /// Patterns of connections, those of several counted for each.
    pub(super) fn len(&self) -> usize {
        self.own.iter().map(|held| held.clients).sum()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let held: usize = self.clients.values().map(|client| client.patterns.len()).sum();
        assert_eq!(held, self.len(), "patterns of connections");
        assert_eq!(self.own.len(), self.count.all(), "different patterns");
        assert!(self.own.iter().all(|held| held.members.len() <= held.clients));
        assert!(self.own.is_sorted_by(|a, b| a.key < b.key), "the order of patterns");
    }
}

#[cfg(test)]
mod tests;
