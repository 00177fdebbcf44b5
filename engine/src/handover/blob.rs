//! State of the program around the engine.

use super::SecretBytes;

/// State of the program that embeds the engine, which the engine carries without reading it:
/// counters that must not fall, remembered requests, keys of tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is, the same in all versions.
    pub name: String,
    /// Of its own format.
    pub version: u16,
    /// The successor must know it, or refuse the whole state.
    pub is_required: bool,
    /// It may hold secrets.
    pub bytes: SecretBytes,
}
