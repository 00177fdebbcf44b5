//! Which clients may connect, and the permits that they hold.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::Config;
use crate::sync::{AddressPermit, PerAddressLimit, Quota};
use crate::types::ServiceId;

/// A place in a service's quota, released on drop unless it is kept.
pub(crate) struct QuotaPermit(Option<(Arc<[Quota]>, ServiceId)>);

impl QuotaPermit {
    /// Transfers the duty to release the place to the caller.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        if let Some((quotas, service)) = &self.0 {
            quotas[service.index()].release();
        }
    }
}

/// The limits that an upgrade request must pass.
#[derive(Clone)]
pub(crate) struct AdmissionLimits {
    /// As it is now: [`HandshakeQueue::reconfigure`](super::HandshakeQueue::reconfigure).
    pub config: Arc<Config>,
    /// Handshakes that a shard may have under way.
    pub handshakes: usize,
    /// Open connections of all shards, by service.
    pub quotas: Arc<[Quota]>,
    /// Connections by service and address, of those that began while these were limited.
    pub per_address: Arc<[Arc<PerAddressLimit>]>,
    /// Addresses of sockets that were handed over: the next process accepts what waits there.
    pub inherited: Arc<[SocketAddr]>,
}

impl AdmissionLimits {
    /// A place for one more connection of the service; `None` when all are taken.
    pub(super) fn acquire_quota(&self, service: ServiceId) -> Option<QuotaPermit> {
        let most = self.config[service].max_connections;
        let acquired = self.quotas[service.index()].try_acquire(most);
        acquired.then(|| QuotaPermit(Some((Arc::clone(&self.quotas), service))))
    }

    /// A place for one more connection of an address, where these are limited.
    ///
    /// # Errors
    /// The limit, when the address has as many.
    pub(super) fn acquire_address_permit(
        &self,
        service: ServiceId,
        address: IpAddr,
    ) -> Result<Option<AddressPermit>, usize> {
        match self.config[service].access.max_per_address {
            0 => Ok(None),
            most => self.per_address[service.index()].take(address, most).map(Some).ok_or(most),
        }
    }
}
