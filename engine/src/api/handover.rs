//! Handing all connections of a running engine to another process, without closing any:
//! docs/HANDOVER.md.
//!
//! * `sequence`: which process sends what when, and what each failure means; `peer_link`,
//!   `conversation`: the same on a socket; `secret_file`: what is said there;
//! * [`Predecessor`]: of the process that serves; [`Successor`]: of the one that is to;
//! * `shards`: the steps that the predecessor's shards take together;
//! * `luggage`: what goes over beside the shards' state; `steps`: what takes how long.

mod conversation;
mod luggage;
mod peer_link;
mod predecessor;
mod secret_file;
mod sequence;
mod shards;
mod steps;
mod successor;

pub use predecessor::{HandedOver, NotHandedOver, Predecessor, Stopped};
pub use successor::{NotTakenOver, Prepared, StandingBy, Successor};
