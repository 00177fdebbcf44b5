//! Numbers with one meaning each, so that the compiler distinguishes them.

use super::Encoding;
use crate::limits::MAX_CHANNELS_PER_SHARD;

/// A channel of one shard: its slot in the channel table, and the generation of that slot. The
/// generation distinguishes the channels of a slot, so that a stale index matches none.
///
/// Four bytes, because every subscription of every connection holds one: 20 bits of slot, 12 bits
/// of generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelIndex(u32);

impl ChannelIndex {
    const SLOT_BITS: u32 = 20;

    /// The channel in `slot`, which must be below [`MAX_CHANNELS_PER_SHARD`]. `generation` counts
    /// the earlier channels of the slot, modulo 2^12.
    pub fn new(slot: u32, generation: u32) -> ChannelIndex {
        assert!(slot < 1 << Self::SLOT_BITS, "a shard has at most 2^20 channels");
        ChannelIndex(generation << Self::SLOT_BITS | slot)
    }

    /// Index into the channel table, below [`MAX_CHANNELS_PER_SHARD`].
    pub fn slot(self) -> u32 {
        self.0 & ((1 << Self::SLOT_BITS) - 1)
    }

    /// How often the slot has been used before, modulo 2^12.
    pub fn generation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }

    /// The next channel of the same slot.
    #[must_use]
    pub fn next_generation(self) -> ChannelIndex {
        ChannelIndex(self.0.wrapping_add(1 << Self::SLOT_BITS))
    }
}

const _: () = assert!(MAX_CHANNELS_PER_SHARD <= 1 << ChannelIndex::SLOT_BITS);

/// Position of a member in its channel's live set: its encoding, and its place among the members
/// with that. Another member's removal may change it.
///
/// Four bytes, because every subscription of every connection holds one: 28 bits of place, 4 bits
/// of encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivePosition(u32);

impl LivePosition {
    const PLACE_BITS: u32 = 28;

    /// A place among the members with an encoding.
    pub fn new(encoding: Encoding, place: usize) -> LivePosition {
        assert!(place < 1 << Self::PLACE_BITS, "a live set has at most 2^28 members");
        LivePosition((encoding as u32) << Self::PLACE_BITS | place as u32)
    }

    /// In which form the member is written messages.
    pub fn encoding(self) -> Encoding {
        Encoding::ALL[(self.0 >> Self::PLACE_BITS) as usize]
    }

    /// The place among the members with the same encoding.
    pub fn place(self) -> usize {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as usize
    }
}

/// Declares numbers that are indices into tables.
macro_rules! indices {
    ($($(#[$meta:meta])* $name:ident($number:ty);)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $number);

        impl $name {
            /// The number as an index into tables.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

indices! {
    /// A core of the engine: one thread, one listener, one delivery ring. 0 .. 63.
    ShardId(u8);

    /// A service of the engine: its place in [`Config::services`](crate::Config::services).
    ServiceId(u8);

    /// A request from one shard to another that awaits its answer: its slot in the table of pending
    /// requests of the shard that made it.
    RequestId(u32);

    /// A client's subscribe or unsubscribe request under way: its slot in its shard's table of
    /// operations.
    OperationId(u32);
}

/// One join of a shard to a channel at its home; every frame of the home repeats it, so that frames
/// of an earlier join are recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct JoinToken(pub u32);

impl JoinToken {
    /// The token of the next join, modulo 2^32.
    #[must_use]
    pub fn next(self) -> JoinToken {
        JoinToken(self.0.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests;
