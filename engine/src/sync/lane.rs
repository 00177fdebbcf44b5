//! A bounded queue from one shard to another.

/// Carries `T` in order. Only the sending shard pushes, only the receiving one pops.
#[derive(Debug)]
pub struct Lane<T> {
    _t: std::marker::PhantomData<T>,
}

impl<T> Lane<T> {
    /// Room for `capacity` ordinary entries and `reserve` replies beyond them.
    pub fn new(_capacity: usize, _reserve: usize) -> Lane<T> {
        todo!()
    }

    /// Sends an ordinary entry.
    ///
    /// # Errors
    /// The entry, when `capacity` is used up.
    pub fn try_push(&self, _entry: T) -> Result<(), T> {
        todo!()
    }

    /// Sends a reply, for which credits keep room. Having none is our own bug: aborts.
    pub fn push_reply(&self, _entry: T) {
        todo!()
    }

    /// Takes the oldest entry.
    pub fn pop(&self) -> Option<T> {
        todo!()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
}
