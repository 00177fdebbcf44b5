//! What hubs have counted, also of those that were handed over.

use crate::broker::Hub;
use crate::telemetry::{Count, MessageError, Totals};

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) broadcasts: u64,
    /// Those that ended.
    pub(super) done: u64,
    /// Requests that were refused for want of room.
    pub(super) busy: u64,
    counts: Vec<u64>,
}

impl Counted {
    /// Adds what hubs have counted since they were asked last.
    pub(super) fn add(&mut self, hubs: &mut [Hub], services: usize) {
        let mut totals = Totals::new(hubs.len(), services);
        for hub in hubs {
            hub.update_gauges();
            totals.absorb(&hub.recorder().swap(None));
        }
        for class in totals.classes.values() {
            self.broadcasts += class.broadcasts;
            self.done += class.broadcast.len();
        }
        let errors = totals.services.iter().map(|service| &service.message_errors);
        self.busy += errors.map(|errors| errors[MessageError::Busy as usize]).sum::<u64>();
        self.counts.resize(Count::COUNT, 0);
        for (sum, new) in self.counts.iter_mut().zip(&totals.counters.counts) {
            *sum += new;
        }
    }

    pub(super) fn count(&self, what: Count) -> u64 {
        self.counts.get(what as usize).copied().unwrap_or(0)
    }
}
