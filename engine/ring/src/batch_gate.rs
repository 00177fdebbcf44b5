//! One write per slot and batch.

/// Dense table of the batch in which each slot was last written: 4 bytes for each slot up to the
/// highest that was written through it, none before its first use.
#[derive(Debug)]
pub(crate) struct WriteGate {
    last: Vec<u32>,
    /// Number of the batch being filled, from 1.
    batch: u32,
}

impl WriteGate {
    pub(crate) fn new() -> WriteGate {
        WriteGate { last: Vec::new(), batch: 1 }
    }

    /// Registers one write. Returns whether it is the slot's first in this batch.
    pub(crate) fn pass(&mut self, slot: u32) -> bool {
        let index = slot as usize;
        if index >= self.last.len() {
            self.last.resize(index + 1, 0);
        }
        std::mem::replace(&mut self.last[index], self.batch) != self.batch
    }

    /// The batch is finished: every slot may be written again.
    pub(crate) fn next_batch(&mut self) {
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            self.last.fill(0);
            self.batch = 1;
        }
    }
}

#[cfg(test)]
mod tests;
