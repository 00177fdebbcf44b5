//! Why a publication or a status document was not accepted.

use crate::limits::{BUSY_PAUSE, MAX_PUBLICATION};

/// Why a publication or a status document was not accepted. Nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Earlier messages must be delivered first. Retry after [`BUSY_PAUSE`].
    #[error("the engine is saturated; try again in {} ms", BUSY_PAUSE.as_millis())]
    Saturated,
    /// It needs a new channel, and its shard has [`crate::Config::max_channels`] already.
    #[error("the channel's shard has as many channels as it may have")]
    ChannelLimit,
    /// Its data has more than [`MAX_PUBLICATION`] bytes. Not to be tried again.
    #[error("a publication may have {MAX_PUBLICATION} bytes of data")]
    TooLarge,
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Closed,
}
