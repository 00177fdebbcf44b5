//! The fuzz targets, which cargo-fuzz calls from outside.

pub(crate) mod alone;
pub mod fuzz_bodies;
#[cfg(test)]
pub(crate) mod ticker;
