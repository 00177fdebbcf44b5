//! What has happened in a run.

use std::collections::BTreeMap;

/// What has happened, by name.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<&'static str, u64>);

impl Met {
    pub(super) fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    pub(super) fn add(&mut self, other: &Met) {
        other.0.iter().for_each(|(what, times)| self.count(what, *times));
    }

    pub(super) fn never(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, times)| **times == 0).map(|(what, _)| *what).collect()
    }
}
