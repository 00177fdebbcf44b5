//! How many classes of channels there are.

/// Classes of one service: a channel that appears is compared with each.
pub const MAX_CHANNEL_CLASSES: usize = 256;
