//! Settings whose value is one of a few words.

use tracing::Level;
use uringcast_engine::{CloseCodes, Correlation, KernelTls};

use super::value::Choice;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For readers.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static str = "text|json";
    const ALL: &'static [Self] = &[LogFormat::Text, LogFormat::Json];
}

impl Choice for Level {
    const WORDS: &'static str = "error|warn|info|debug|trace";
    const ALL: &'static [Self] =
        &[Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
}

impl Choice for Correlation {
    const WORDS: &'static str = "id|echo";
    const ALL: &'static [Self] = &[Correlation::Id, Correlation::Echo];
}

impl Choice for CloseCodes {
    const WORDS: &'static str = "own|family";
    const ALL: &'static [Self] = &[CloseCodes::Own, CloseCodes::Family];
}

impl Choice for KernelTls {
    const WORDS: &'static str = "auto|on|off";
    const ALL: &'static [Self] = &[KernelTls::Auto, KernelTls::On, KernelTls::Off];
}

/// The oldest version of TLS that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Choice for TlsVersion {
    const WORDS: &'static str = "1.2|1.3";
    const ALL: &'static [Self] = &[TlsVersion::Tls12, TlsVersion::Tls13];
}
