//! Where a connection stands between its admission and the reuse of its index.

/// The states of a connection, in the words of RFC 9113 5.1 where it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// The index is free.
    #[default]
    Vacant,
    /// Messages flow.
    Open,
    /// Our close frame is on its way; nothing else will be sent.
    Closing,
    /// The peer has shut its side: what it is owed is written, then ours is shut too.
    HalfClosedRemote,
    /// Our side is shut; reading until the peer's side is too.
    HalfClosedLocal,
    /// Nothing more is read; the last completion is outstanding (invariant 12).
    AwaitingCompletions,
}

impl State {
    /// The table of legal moves.
    pub(crate) fn may_become(self, next: State) -> bool {
        use State::{
            AwaitingCompletions, Closing, HalfClosedLocal, HalfClosedRemote, Open, Vacant,
        };
        matches!(
            (self, next),
            (Vacant, Open)
                | (Open, Closing | HalfClosedRemote | AwaitingCompletions)
                | (Closing, HalfClosedLocal | HalfClosedRemote | AwaitingCompletions)
                | (HalfClosedRemote | HalfClosedLocal, AwaitingCompletions)
                | (AwaitingCompletions, Vacant)
        )
    }

    /// Whether bytes may still be written to the connection.
    pub(crate) fn is_writable(self) -> bool {
        matches!(self, State::Open | State::Closing | State::HalfClosedRemote)
    }
}
