//! The control plane of Uringcast: everything that is not moving messages.
//!
//! The way of a start, as links to follow in order:
//!
//! 1. [`args`]: command line, environment and file, as typed, become [`settings::Settings`].
//! 2. [`config`]: what they mean together, with every contradiction reported at once.
//! 3. [`certs`]: the certificate is read, or made, and becomes rustls's configuration.
//! 4. [`run`]: the engine starts, and the HTTP ports ([`http`]) and [`metrics`] around it.
//!
//! [`commands`] are apart: `sub`, `pub` and others for users of a server, and of [`diagnostics`]
//! `verify`, which checks a running server, and `doctor`, which checks a machine.
//!
//! [`cluster`] shares the order of channels with other servers; `handover` passes all connections
//! to a new process, or takes them over.
//!
//! The engine has its own threads; all of this runs on one ordinary thread, but for what may block
//! it: the log, the access log, reloads of files, verification of tokens, the cluster's connection
//! and a hand-over have threads of their own. It reaches the engine only through its public
//! functions. The process exits in `main.rs` and nowhere else.

pub mod access_log;
pub mod adapters;
pub mod args;
pub mod auth;
pub mod certs;
pub mod class_report;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod config_reload;
pub mod dashboard;
pub mod diagnostics;
mod foreign_listeners;
mod handover;
pub mod http;
pub mod limits;
mod live_services;
pub mod log;
pub mod metrics;
pub mod presets;
pub mod print_config;
mod probe_client;
pub mod read_files;
pub mod run;
pub mod self_probe;
pub mod settings;
mod systemd;
#[cfg(any(test, fuzzing))]
pub mod tests {
    //! The fuzz targets, which cargo-fuzz calls from outside.
    pub mod fuzz_server;
}
