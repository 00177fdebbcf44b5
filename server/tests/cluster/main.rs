//! Nodes on real NATS servers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod control;
mod handover;
mod handover_late;
mod handover_presence;
mod nodes;
mod patterns;
mod presence;
mod setup;
mod updates;
