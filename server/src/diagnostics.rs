//! `verify` and `doctor`: commands that check a running server, or a machine, and serve no client.
//!
//! [`cli`] runs them; both collect their findings in a [`check_report`]. Serving code imports
//! nothing from here. From serving code this module imports the settings and the reading of
//! certificates only.

pub mod check_report;
pub mod cli;
pub mod doctor;
pub mod verify;
