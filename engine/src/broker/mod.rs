//! One shard's state and every decision about it, without I/O (invariant 8).

pub mod effect;
pub mod frame;
pub mod hub;
pub mod outlet;
