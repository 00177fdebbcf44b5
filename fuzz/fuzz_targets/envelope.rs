#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uringcast_engine::fuzzing::envelope(data));
