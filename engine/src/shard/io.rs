//! Writes and reads on the delivery ring.

pub(super) mod deliver;
pub(super) mod receive;
