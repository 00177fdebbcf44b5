//! One write per connection and batch (invariant 11).

/// The entry of a connection that is not live: laggards, closed ones, free indices.
const SHUT: u32 = u32::MAX;

/// Whether a connection may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Write it: it is marked as written in the current batch.
    Go,
    /// It was written in this batch already: flush, then ask again.
    Twice,
    /// It is not live: skip it.
    Shut,
}

/// A dense table of the batch in which each connection was last written: the one 4-byte word that a
/// healthy delivery touches (invariant 5).
#[derive(Debug, Default)]
pub(super) struct WriteGate {
    last: Vec<u32>,
    /// Number of the batch being filled, from 1.
    batch: u32,
    /// The saboteur of the simulation: lets everything pass.
    #[cfg(test)]
    broken: bool,
}

impl WriteGate {
    /// A gate for at most `capacity` connections, none of them live.
    pub(super) fn new(capacity: usize) -> WriteGate {
        WriteGate {
            last: Vec::with_capacity(capacity),
            batch: 1,
            #[cfg(test)]
            broken: false,
        }
    }

    /// Asks for one write.
    #[inline]
    pub(super) fn pass(&mut self, connection: u32) -> Pass {
        #[cfg(test)]
        if self.broken {
            return Pass::Go;
        }
        let last = &mut self.last[connection as usize];
        if *last == self.batch {
            Pass::Twice
        } else if *last == SHUT {
            Pass::Shut
        } else {
            *last = self.batch;
            Pass::Go
        }
    }

    #[cfg(test)]
    pub(in crate::broker) fn leave_open(&mut self) {
        self.broken = true;
    }

    /// The batch was flushed: every live connection may be written again.
    pub(super) fn next_batch(&mut self) {
        self.batch += 1;
        if self.batch == SHUT {
            self.last.iter_mut().filter(|last| **last != SHUT).for_each(|last| *last = 0);
            self.batch = 1;
        }
    }

    /// The connection is live from now on.
    pub(super) fn open(&mut self, connection: u32) {
        let index = connection as usize;
        if index >= self.last.len() {
            self.last.resize(index + 1, SHUT);
        }
        self.last[index] = 0;
    }

    /// The connection is live no more.
    pub(super) fn shut(&mut self, connection: u32) {
        self.last[connection as usize] = SHUT;
    }

    /// Whether the connection was written in this batch.
    #[inline]
    pub(super) fn was_written(&self, connection: u32) -> bool {
        self.last[connection as usize] == self.batch
    }

    /// Whether the connection is live.
    #[inline]
    pub(super) fn is_open(&self, connection: u32) -> bool {
        self.last[connection as usize] != SHUT
    }
}

#[cfg(test)]
mod tests;
