//! `loadgen`, a program: see the library beside it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A page fault that waits for a huge page, for 10 ms at times, would be measured as the
    // server's. Where the system refuses, it is.
    let _ = nix::sys::prctl::set_thp_disable(true);
    uringcast_loadgen::program::main()
}
