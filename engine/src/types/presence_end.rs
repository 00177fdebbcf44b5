//! Why a subscription counts no more where presence is kept.

/// Why a connection does not count any more in a channel that keeps presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceEnd {
    /// It has subscribed no more.
    Unsubscribed,
    /// It has ended.
    Ended,
    /// It is another process's now, which reports it: no member has gone.
    HandedOver,
}
