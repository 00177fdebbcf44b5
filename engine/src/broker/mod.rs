//! One shard's state and every decision about it, without I/O (invariant 8): see [`hub::Hub`].

mod auth;
mod batch;
mod bounds;
mod catch_up;
mod channel;
mod clock;
mod close;
mod close_log;
mod connection;
pub mod document;
pub mod effect;
mod expel;
mod feed;
mod gate;
mod hold;
mod home;
pub mod hub;
mod laggard;
mod lifecycle;
mod live_set;
mod log;
mod operation;
pub mod outlet;
mod permits;
mod rate;
mod remote;
mod retention;
mod session;
#[cfg(test)]
mod sim;
mod status;
mod transmit;
