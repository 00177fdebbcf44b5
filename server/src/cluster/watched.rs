//! The channels that patterns of this node's clients want.

/// What their tokens begin with: in order, and none begins with another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched(Vec<Box<str>>);

impl Watched {
    /// All channels with tokens that begin with one of these.
    pub(crate) fn new(prefixes: impl IntoIterator<Item = Box<str>>) -> Watched {
        let mut all: Vec<_> = prefixes.into_iter().collect();
        all.sort_unstable();
        // One that begins with another stands behind it, and all between them do so, too.
        all.dedup_by(|later, earlier| later.starts_with(&**earlier));
        Watched(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a channel is one of them.
    pub(crate) fn matches(&self, tokens: &str) -> bool {
        // Whatever lies between a text and its beginning begins so, too.
        let behind = self.0.partition_point(|prefix| **prefix <= *tokens);
        behind > 0 && tokens.starts_with(&*self.0[behind - 1])
    }
}

#[cfg(test)]
mod tests;
