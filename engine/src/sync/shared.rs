//! Counters that more than one shard touches, none of them per delivery (invariant 5).

/// Places for connections of the whole engine.
#[derive(Debug)]
pub struct Quota {}

/// When a shard last turned.
#[derive(Debug)]
pub struct Heartbeat {}
