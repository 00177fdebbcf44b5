//! The payloads of a batch, at addresses that do not change.

/// Payloads that are stored next to each other before another block is begun.
const BLOCK: usize = 256;

/// The payloads of a batch, each of which stays where it is until they are drained.
pub(crate) struct Payloads<P> {
    full: Vec<Vec<P>>,
    /// Never grows beyond the capacity that it has from the start.
    last: Vec<P>,
}

impl<P> Payloads<P> {
    pub(crate) fn new() -> Payloads<P> {
        Payloads { full: Vec::new(), last: Vec::with_capacity(BLOCK) }
    }

    /// Stores a payload, and returns it at its final address.
    pub(crate) fn push(&mut self, payload: P) -> &P {
        if self.last.len() == self.last.capacity() {
            let block = Vec::with_capacity(BLOCK);
            self.full.push(std::mem::replace(&mut self.last, block));
        }
        self.last.push(payload);
        &self.last[self.last.len() - 1]
    }

    /// The payload stored last.
    pub(crate) fn last(&self) -> Option<&P> {
        self.last.last()
    }

    /// Appends all of them to `payloads`, in order.
    pub(crate) fn drain_into(&mut self, payloads: &mut Vec<P>) {
        self.full.drain(..).for_each(|mut block| payloads.append(&mut block));
        payloads.append(&mut self.last);
    }

    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.last.clear();
    }
}

#[cfg(test)]
mod tests;
