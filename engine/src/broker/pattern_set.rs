//! The patterns of a shard's clients, as other shards know them.

use std::sync::Arc;

use crate::config::ChannelPrefix;
use crate::types::{ChannelName, ServiceId};

/// A pattern of a service's channels: all with names that begin with `prefix`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PatternKey {
    /// The service of the channels.
    pub(super) service: ServiceId,
    /// What their names begin with.
    pub(super) prefix: Arc<str>,
}

/// Patterns in order, so that those of a name are found without trying all.
#[derive(Debug, Default)]
pub struct PatternSet(Box<[PatternKey]>);

impl PatternSet {
    /// Of patterns that are sorted.
    pub(super) fn new(sorted: impl Iterator<Item = PatternKey>) -> PatternSet {
        PatternSet(sorted.collect())
    }

    /// As an external order is told of them.
    pub(crate) fn prefixes(&self) -> Vec<ChannelPrefix> {
        let prefix = |PatternKey { service, prefix }: &PatternKey| ChannelPrefix {
            service: *service,
            prefix: Arc::clone(prefix),
        };
        self.0.iter().map(prefix).collect()
    }

    /// Whether a channel is of one of these patterns.
    pub(super) fn matches(&self, name: &ChannelName) -> bool {
        !places(&self.0, |key| key, name).is_empty()
    }
}

/// The places in `all`, which is sorted by its keys, of the patterns of a channel. It looks at a
/// number of them that depends on the length of the name.
pub(super) fn places<T>(
    all: &[T],
    key: impl Fn(&T) -> &PatternKey,
    name: &ChannelName,
) -> Vec<usize> {
    let mut found = Vec::new();
    let (service, name) = (name.service(), name.as_str());
    let mut bound = name;
    loop {
        // Patterns of the name are not behind `bound`, which begins it.
        let order = |entry: &T| (key(entry).service, &*key(entry).prefix) <= (service, bound);
        let Some(place) = all.partition_point(order).checked_sub(1) else { return found };
        let PatternKey { service: of, prefix } = key(&all[place]);
        if *of != service {
            return found;
        }
        let end = if name.starts_with(&**prefix) {
            found.push(place);
            // The next one is shorter.
            let Some((last, _)) = prefix.char_indices().next_back() else { return found };
            last
        } else {
            let same = bound.chars().zip(prefix.chars()).take_while(|(a, b)| a == b);
            same.map(|(c, _)| c.len_utf8()).sum()
        };
        bound = &name[..end];
    }
}

#[cfg(test)]
mod tests;
