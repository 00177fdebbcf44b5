//! The key of internal probes: connections that are not counted, limited or authenticated.

use std::fmt;

/// Opens a probe's connection: one that upgrades at [`ProbeKey::path`] is subscribed to
/// [`ChannelName::probe`](crate::ChannelName::probe), needs no other permission, takes no
/// client's place and is in no client's statistics. It never leaves the process.
#[derive(Clone, Copy)]
pub struct ProbeKey(u128);

const PREFIX: &str = "/.canary/";

impl ProbeKey {
    /// A key from a random number.
    pub fn new(random: u128) -> ProbeKey {
        ProbeKey(random)
    }

    /// Where a probe upgrades.
    pub fn path(self) -> String {
        format!("{PREFIX}{:032x}", self.0)
    }

    /// Whether this path has the key. Takes as long however wrong it is.
    pub fn opens(self, path: &str) -> bool {
        let key = path.strip_prefix(PREFIX).map(|key| u128::from_str_radix(key, 16));
        key.is_some_and(|key| key.is_ok_and(|key| key ^ self.0 == 0))
    }
}

impl fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProbeKey(…)")
    }
}

#[cfg(test)]
mod tests;
