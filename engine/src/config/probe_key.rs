//! The key of internal probes: connections that are not counted, limited or authenticated.

use std::fmt;

/// Opens a probe's connection: one that upgrades at [`ProbeKey::path`] is subscribed to
/// [`ChannelName::probe`](crate::ChannelName::probe), needs no other permission, takes no
/// client's place and is in no client's statistics. Known inside the process only.
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
mod tests {
    use super::*;

    #[test]
    fn only_its_own_path_opens_it_and_it_is_not_shown() {
        let key = ProbeKey::new(0x1234_5678);
        assert!(key.opens(&key.path()));
        for path in ["/", "/.canary/", "/.canary/0", &key.path()[1..], "/.canary/x1234"] {
            assert!(!key.opens(path), "{path}");
        }
        assert!(!key.opens(&ProbeKey::new(0x1234_5679).path()));
        assert!(!format!("{key:?}").contains("1234"));
    }
}
