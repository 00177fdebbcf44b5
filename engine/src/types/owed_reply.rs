//! The obligation to answer a request, which can be met once and not be forgotten.

use std::fmt;

/// Answers a request. One that is dropped answers that the outcome is not known, so that no caller
/// waits for ever.
#[must_use = "whoever has asked waits for the answer"]
pub struct Reply<T>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T> Reply<T> {
    /// `answer` is called once, from any thread, and must not block: with the answer, or with
    /// `None` if the reply is dropped without one.
    pub fn new(answer: impl FnOnce(Option<T>) + Send + 'static) -> Reply<T> {
        Reply(Some(Box::new(answer)))
    }

    /// Gives the answer.
    pub fn answer(mut self, value: T) {
        if let Some(answer) = self.0.take() {
            answer(Some(value));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(None);
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

#[cfg(test)]
mod tests;
