//! The one place the atomics come from. `tests/loom_bell.rs` compiles [`super::parking`] and
//! [`super::room`] a second time with loom's in their place.

pub(super) use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
