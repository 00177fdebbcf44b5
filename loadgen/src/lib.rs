//! What the load generator shares with the benchmarks: one frame codec, one upgrade, one
//! transport, one check of deliveries. None of it is the engine's code, so that an error in the
//! engine cannot hide in the tools that check it.

pub mod delivery_check;
pub mod frame;
pub mod insecure;
pub mod process;
pub mod transport;
pub mod upgrade;
