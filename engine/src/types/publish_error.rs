//! Why a publication or a status document was not accepted.

use crate::limits::{BUSY_PAUSE, MAX_PUBLICATION};

/// Why a publication or a status document was not accepted. Nothing of it was taken, but for
/// [`PublishError::Unknown`].
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
    /// The [`ExternalOrder`](crate::ExternalOrder) of channels takes nothing now. Retry later.
    #[error("the order of channels is not available; try again later")]
    Unavailable,
    /// It may have been published or not: the [`ExternalOrder`](crate::ExternalOrder) has not said.
    #[error("nobody can say whether it was published; try again with the same id")]
    Unknown,
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Closed,
}
