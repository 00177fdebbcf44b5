//! Why a state document was not accepted.

use super::{PublishError, Seq};

/// Why a channel's state document was not accepted. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// As for a publication.
    #[error(transparent)]
    Refused(#[from] PublishError),
    /// Its position is of another epoch.
    #[error("as_of is of another epoch: the server has restarted, and its positions are others")]
    Restart,
    /// Its position was never reached.
    #[error("as_of was never reached: the channel's newest message is {newest}")]
    Ahead {
        /// The channel's newest message.
        newest: Seq,
    },
    /// The channel has the state of a later position.
    #[error("as_of is older than the state that the channel has, which is as of {held}")]
    Older {
        /// The position of that state.
        held: Seq,
    },
}
