//! `verify` and `doctor`: commands that check a running server, or a machine, and serve no client.
//!
//! [`crate::commands`] runs them; both collect their findings in a [`check_report`]. [`client`] has
//! the clients that they share with the other commands. Serving code imports nothing from here.
//! From the rest of the crate this module imports the settings with their limits, the
//! configuration's types, the reading of files and certificates, and what it shares with the
//! self-probes as a client.

pub mod check_report;
pub mod client;
mod cluster_checks;
pub mod doctor;
pub mod verify;
