//! The verifications of tokens that a shard has under way.

use std::collections::HashMap;

use crate::broker::core::Core;
use crate::broker::shared_count::SharedCount;
use crate::limits::{VERIFICATIONS_PER_SHARD, per_lane};
use crate::types::{ConnectionKey, ServiceId};

/// By connection; that of one that is gone stays until it is answered.
#[derive(Debug)]
pub(super) struct Verifications {
    services: HashMap<ConnectionKey, ServiceId>,
    count: SharedCount,
}

impl Verifications {
    /// None, of clients of so many services.
    pub(super) fn new(services: usize) -> Verifications {
        Verifications { services: HashMap::new(), count: SharedCount::new(services) }
    }

    /// Begins one, unless its service or all of them have too many.
    pub(super) fn begin(&mut self, core: &Core, key: ConnectionKey) -> bool {
        let most = per_lane(VERIFICATIONS_PER_SHARD, core.cx.homes.shards());
        let service = core.connections[key].service();
        let fits = self.count.fits(service, 1, most);
        if fits {
            self.take_over(service, key);
        }
        fits
    }

    /// One is begun that another process had begun.
    pub(super) fn take_over(&mut self, service: ServiceId, key: ConnectionKey) {
        self.services.insert(key, service);
        self.count.add(service, 1);
    }

    /// One was answered.
    pub(super) fn end(&mut self, key: ConnectionKey) {
        if let Some(service) = self.services.remove(&key) {
            self.count.remove(service, 1);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count.all()
    }
}
