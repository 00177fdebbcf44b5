//! A limit that a peer has exceeded.

/// A limit that was exceeded. Names are those of the settings, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The setting or the constant.
    pub name: &'static str,
    /// Its value.
    pub limit: u64,
    /// What it came to; `None` of what is gone already.
    pub value: Option<u64>,
}
