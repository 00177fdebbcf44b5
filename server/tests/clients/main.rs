//! Real clients.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;

mod events;
mod javascript;
mod live;
mod loadgen_report;
mod own;
mod packages;
mod python;
mod services;
mod storm;
mod tls;
