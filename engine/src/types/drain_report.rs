//! What became of the connections in a drain.

/// How a drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were gone by the deadline.
    pub closed: u64,
    /// Connections that were cut at the deadline.
    pub cut: u64,
}
