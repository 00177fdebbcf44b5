//! The result of a drain.

/// The result of a drain. Probes of the program's own are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were closed by the deadline.
    pub closed: u64,
    /// Connections that were open at the deadline, and closed by force.
    pub cut: u64,
}
