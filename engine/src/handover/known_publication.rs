//! Publications that their clients know by ids.

use std::sync::Arc;

use crate::types::{ChannelName, Seq, Time};

/// A publication of a client with an id: a repeat of it publishes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it was published.
    pub channel: ChannelName,
    /// The user that published it; empty without an identity.
    pub user: Arc<str>,
    /// What its client calls it.
    pub id: Box<str>,
    /// Its position.
    pub seq: Seq,
    /// When it was published.
    pub at: Time,
}
