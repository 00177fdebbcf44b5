//! The fuzz targets, which cargo-fuzz calls from outside.

pub mod fuzz_bodies;
