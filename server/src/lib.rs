//! The control plane of Uringcast: everything that is not moving messages.
//!
//! The way of a start, as links to follow in order:
//!
//! 1. [`args`]: command line, environment and file, as typed, become [`settings::Settings`].
//! 2. [`config`]: what they mean together, with every contradiction told at once.
//! 3. [`certs`]: the certificate is read, or made, and becomes rustls's configuration.
//! 4. [`run`]: the engine starts, and the HTTP ports ([`http`]) and [`metrics`] around it.
//!
//! [`verify`] asks a running server, [`doctor`] a machine, and both make a [`report`].
//!
//! The engine has its own threads; all of this runs on one ordinary thread and reaches the engine
//! only through its public functions. Exit codes are decided in `main.rs` and nowhere else.

pub mod args;
pub mod auth;
pub mod canary;
pub mod certs;
pub mod check;
pub mod config;
pub mod diagnose;
pub mod doctor;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod limits;
pub mod live;
pub mod log;
pub mod metrics;
pub mod presets;
pub mod report;
pub mod run;
pub mod settings;
pub mod verify;
