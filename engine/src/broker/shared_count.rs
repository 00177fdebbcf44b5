//! Bytes or places that a shard holds for the clients of all services: a bound for all together,
//! and where there are several services a share of it for each, so that one that is flooded leaves
//! room to the others.

use crate::limits::SERVICE_SHARE;
use crate::types::ServiceId;

/// What is held now.
#[derive(Debug)]
pub(super) struct SharedCount {
    all: usize,
    /// By service.
    of: Vec<usize>,
}

impl SharedCount {
    /// Of so many services, which hold nothing.
    pub(super) fn new(services: usize) -> SharedCount {
        SharedCount { all: 0, of: vec![0; services] }
    }

    pub(super) fn add(&mut self, service: ServiceId, count: usize) {
        self.of[service.index()] += count;
        self.all += count;
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, service: ServiceId, count: usize) {
        self.of[service.index()] -= count;
        self.all -= count;
    }

    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// What one service may have at most of a `limit` for all.
    fn share(&self, limit: usize) -> usize {
        if self.of.len() > 1 { limit.div_ceil(SERVICE_SHARE) } else { limit }
    }

    /// Whether so many more of a service are within `limit`, and within the service's share of it.
    pub(super) fn fits(&self, service: ServiceId, more: usize, limit: usize) -> bool {
        self.all + more <= limit && self.of[service.index()] + more <= self.share(limit)
    }

    /// The bound that is passed, or would be first, and what is held of it.
    pub(super) fn passed(&self, service: ServiceId, limit: usize) -> (usize, usize) {
        let (share, own) = (self.share(limit), self.of[service.index()]);
        if self.all > limit || own <= share { (limit, self.all) } else { (share, own) }
    }
}

#[cfg(test)]
mod tests;
