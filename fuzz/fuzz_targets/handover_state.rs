#![no_main]

use uringcast_engine::tests::fuzz_bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::handover_state(data));
