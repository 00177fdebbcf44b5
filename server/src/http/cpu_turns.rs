//! Turns of the control thread on a core that it shares with a shard.

use crate::limits::CPU_TURN;

/// What the control thread has read since it gave way last. The kernel takes the core from it for a
/// shard with a message only some milliseconds later: 3 to 5 on Linux 6.18, whatever the niceness
/// of either.
#[derive(Debug, Default)]
pub(super) struct CpuTurns {
    bytes: usize,
}

impl CpuTurns {
    /// So many bytes were received or parsed: with enough of them shards that wait go first.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= CPU_TURN {
            self.bytes = 0;
            std::thread::yield_now();
        }
    }
}
