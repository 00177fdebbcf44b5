//! Bytes or places that a shard holds for the clients of all services: a bound for all together,
//! and where there are several services a share of it for each, so that one that is flooded leaves
//! room to the others.

use crate::limits::SERVICE_SHARE;
use crate::types::ServiceId;

/// What is held now.
#[derive(Debug, Default)]
pub(super) struct SharedCount {
    all: usize,
    /// By service, as far as any has held some.
    of: Vec<usize>,
}

/// What one of so many services may have at most of a `limit` for all.
fn share(limit: usize, services: usize) -> usize {
    if services > 1 { limit.div_ceil(SERVICE_SHARE) } else { limit }
}

impl SharedCount {
    pub(super) fn add(&mut self, service: ServiceId, count: usize) {
        if self.of.len() <= service.index() {
            self.of.resize(service.index() + 1, 0);
        }
        self.of[service.index()] += count;
        self.all += count;
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, service: ServiceId, count: usize) {
        if count > 0 {
            self.of[service.index()] -= count;
            self.all -= count;
        }
    }

    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn of(&self, service: ServiceId) -> usize {
        self.of.get(service.index()).copied().unwrap_or(0)
    }

    /// Whether so many more of a service are within `limit`, and within the service's share of it.
    pub(super) fn fits(
        &self,
        service: ServiceId,
        more: usize,
        limit: usize,
        services: usize,
    ) -> bool {
        self.all + more <= limit && self.of(service) + more <= share(limit, services)
    }

    /// The bound that is passed, or would be first, and what is held of it.
    pub(super) fn passed(
        &self,
        service: ServiceId,
        limit: usize,
        services: usize,
    ) -> (usize, usize) {
        let (share, own) = (share(limit, services), self.of(service));
        if self.all > limit || own <= share { (limit, self.all) } else { (share, own) }
    }
}

#[cfg(test)]
mod tests;
