//! A value that the thread makes that needs it first, for all.

use std::sync::OnceLock;

/// Empty until a value is set; the first one stays. No thread waits for another that makes one:
/// each makes its own, and only the first is kept.
#[derive(Debug)]
pub struct SetOnce<T>(OnceLock<T>);

impl<T> SetOnce<T> {
    /// Without a value.
    pub fn new() -> SetOnce<T> {
        SetOnce(OnceLock::new())
    }

    /// The value, if it was made.
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// The value, made by `make` unless it was made before.
    pub fn get_or(&self, make: impl FnOnce() -> T) -> &T {
        match self.0.get() {
            Some(value) => value,
            None => {
                // Made before the cell is asked, which then only moves it.
                let value = make();
                self.0.get_or_init(|| value)
            }
        }
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> SetOnce<T> {
        SetOnce::new()
    }
}

#[cfg(test)]
mod tests {
    use super::SetOnce;

    #[test]
    fn all_threads_get_the_value_that_was_set_first() {
        let cell = SetOnce::new();
        assert_eq!(cell.get(), None);
        let got: Vec<usize> = std::thread::scope(|scope| {
            let cell = &cell;
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || *cell.get_or(|| n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(got.iter().all(|n| Some(n) == cell.get()), "{got:?}");
    }
}
