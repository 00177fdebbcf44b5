//! The encodings of a chain's sweeps, as one connection is to be written them.

use crate::shared_frame::Deflation;

/// One encoding for each sweep of a chain, in order. Connections with the same chain and encodings
/// are written the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Encodings(u128);

impl Encodings {
    /// All sweeps as they are.
    pub(super) const PLAIN: Encodings = Encodings(0);

    /// Sweeps that it has room for.
    pub(super) const ROOM: usize = u128::BITS as usize / 2;

    /// Sets the encoding of the `nth` sweep, which was not set before.
    pub(super) fn set(&mut self, nth: usize, encoding: Deflation) {
        self.0 |= (encoding as u128) << (2 * nth);
    }

    /// The encoding of the `nth` sweep.
    pub(super) fn get(self, nth: usize) -> Deflation {
        if nth >= Encodings::ROOM {
            return Deflation::Plain;
        }
        match self.0 >> (2 * nth) & 3 {
            0 => Deflation::Plain,
            1 => Deflation::Context,
            2 => Deflation::Twin,
            _ => Deflation::Aside,
        }
    }
}

const _: () = assert!(Deflation::Aside as u8 == 3 && Deflation::Twin as u8 == 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_keeps_its_encoding() {
        let all = [Deflation::Plain, Deflation::Context, Deflation::Twin, Deflation::Aside];
        let mut encodings = Encodings::PLAIN;
        for nth in 0..Encodings::ROOM {
            encodings.set(nth, all[nth * 7 % 4]);
        }
        for nth in 0..Encodings::ROOM {
            assert_eq!(encodings.get(nth), all[nth * 7 % 4]);
        }
        assert_eq!(encodings.get(Encodings::ROOM), Deflation::Plain);
    }
}
