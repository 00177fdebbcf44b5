//! A message that was given its place in its channel elsewhere.

use super::{Publication, Seq};

/// A message that an [`ExternalOrder`](crate::ExternalOrder) has given its place.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// What was published.
    pub publication: Publication,
    /// Its position in its channel. Positions rise; they need not be neighbours.
    pub seq: Seq,
    /// The position before it in the channel: of the message that the order has delivered there
    /// last, 0 before the first. Where subscribers have not been told that one, what lies between
    /// is a gap.
    pub prev: Seq,
    /// The free bits of the envelope's `id`, the same wherever the message is delivered.
    pub id: [u8; 16],
    /// When it was accepted, for the envelope's `timestamp`: microseconds since 1970-01-01 UTC.
    pub unix_us: i64,
}
