//! Settings whose value is one of a few words.

use uringcast_engine::{Correlation, KernelTls};

use super::value::Choice;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static str = "text|json";
    const ALL: &'static [(&'static str, Self)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl Choice for tracing::Level {
    const WORDS: &'static str = "error|warn|info|debug|trace";
    const ALL: &'static [(&'static str, Self)] = &[
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
        ("trace", tracing::Level::TRACE),
    ];
}

impl Choice for Correlation {
    const WORDS: &'static str = "id|echo";
    const ALL: &'static [(&'static str, Self)] =
        &[("id", Correlation::Id), ("echo", Correlation::Echo)];
}

impl Choice for KernelTls {
    const WORDS: &'static str = "auto|on|off";
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", KernelTls::Auto), ("on", KernelTls::On), ("off", KernelTls::Off)];
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Choice for TlsVersion {
    const WORDS: &'static str = "1.2|1.3";
    const ALL: &'static [(&'static str, Self)] =
        &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
}
