#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uringcast_server::fuzzing::publish_body(data));
