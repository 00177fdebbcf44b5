#![no_main]

use uringcast_server::tests::fuzz_server;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_server::plain_request(data));
