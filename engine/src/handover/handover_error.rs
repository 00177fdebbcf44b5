//! Why a state cannot be taken over.

/// Why a state cannot be taken over. The predecessor then goes on serving.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// Other bytes.
    #[error("this is no state of an engine")]
    NotAState,
    /// It was written by a program that is too new or too old.
    #[error(
        "the state has format {found}, which programs from format {readable_from} on read; this \
         one reads formats {} to {}",
        super::READABLE_FROM,
        super::FORMAT_VERSION
    )]
    Version {
        /// The state's own.
        found: u16,
        /// The oldest that can read it, as its writer says.
        readable_from: u16,
    },
    /// Bytes are missing at its end.
    #[error("the state ends too early")]
    Truncated,
    /// A checksum differs.
    #[error("the state is damaged: a checksum differs")]
    Damaged,
    /// Its checksums are right, but it says what cannot be.
    #[error("the state says what cannot be: {0}")]
    Malformed(&'static str),
    /// It has a part that must be understood and is not.
    #[error("the state has a part of kind {0}, which this program must know and does not")]
    UnknownPart(u16),
    /// It has more than the shards that are to take it over can hold.
    #[error("shards are too few or too small for the state: {0}")]
    NoRoom(&'static str),
}
