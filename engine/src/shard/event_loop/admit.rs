//! From an upgraded connection to one that the broker knows and the ring has.

use std::os::fd::AsRawFd;
use std::time::Instant;

use monoio::net::TcpStream;

use super::EventLoop;
use crate::broker::ReceiveEnd;
use crate::limits::ADMISSIONS_PER_TURN;
use crate::shard::handshake::{AcceptedUpgrade, QuotaPermit, UpgradedConnection};
use crate::sync::AddressPermit;
use crate::telemetry::ConnectionError;
use crate::types::{ConnectionKey, ServiceId};

/// A connection that the broker has admitted and that is about to be put on the ring.
pub(in crate::shard) struct Admitted {
    key: ConnectionKey,
    service: ServiceId,
    stream: TcpStream,
    /// The peer has sent close_notify already.
    peer_closed: bool,
}

impl EventLoop {
    /// Whether upgraded connections wait that may be admitted. Those that end their handshake
    /// during a hand-over wait for its end.
    pub(super) fn has_admissions(&self) -> bool {
        !self.is_handing_over() && !self.handshakes.is_empty()
    }

    /// Puts upgraded connections on the ring, and closes their ordinary descriptors. Returns
    /// whether some are left.
    pub(super) fn admit(&mut self) -> bool {
        if !self.has_admissions() {
            return false;
        }
        let mut admitted = std::mem::take(&mut self.admitted);
        for _ in 0..ADMISSIONS_PER_TURN {
            let Some((handshake, upgraded)) = self.handshakes.pop() else { break };
            admitted.extend(self.admit_one(handshake.began, upgraded));
        }
        // Adjacent slots by one call: connections of one iteration mostly have such.
        for run in admitted.chunk_by(|a, b| a.key.index + 1 == b.key.index) {
            self.register(run);
        }
        admitted.clear();
        self.admitted = admitted;
        self.has_admissions()
    }

    fn register(&mut self, run: &[Admitted]) {
        let sockets: Vec<_> = run.iter().map(|admitted| admitted.stream.as_raw_fd()).collect();
        let keys = run.iter().map(|admitted| admitted.key.into());
        let placed = self.slots.delivery.ring.place_run(keys, &sockets);
        for (place, Admitted { key, service, peer_closed, .. }) in run.iter().enumerate() {
            let end = match &placed {
                Err((first, error)) if place >= *first => {
                    tracing::error!(%error, "the delivery ring takes no more connections");
                    self.handshakes.count_error(*service, ConnectionError::Descriptors);
                    Some(ReceiveEnd::Reset)
                }
                _ => peer_closed.then_some(ReceiveEnd::Eof),
            };
            if let Some(end) = end {
                self.slots.report_end(*key, end, &mut self.hub);
            }
        }
    }

    /// Admits a connection that was accepted at `began`; its socket is not on the ring yet.
    fn admit_one(&mut self, began: Instant, upgraded: UpgradedConnection) -> Option<Admitted> {
        if self.handshakes.is_closed() {
            return None;
        }
        let UpgradedConnection { stream, tls, peer_closed, mut leftover, accepted } = upgraded;
        let AcceptedUpgrade { admission, quota_permit, address_permit } = accepted;
        let (service, probe) = (admission.service, admission.probe);
        // Without room in its table the broker counts that, and the socket is dropped.
        let key = self.hub.admit(admission)?;
        if !probe {
            let took = began.elapsed().as_nanos();
            self.hub.recorder().upgraded(u64::try_from(took).unwrap_or(u64::MAX));
        }
        self.slots.delivery.set_session(key.index, tls);
        self.slots.open(key, self.hub.is_metered(key), quota_permit.is_some().then_some(service));
        self.set_address_permit(key.index, address_permit);
        quota_permit.into_iter().for_each(QuotaPermit::keep);
        if !leftover.is_empty() {
            self.hub.handle_received(key, &mut leftover);
        }
        Some(Admitted { key, service, stream, peer_closed })
    }

    pub(in crate::shard) fn set_address_permit(
        &mut self,
        index: u32,
        address_permit: Option<AddressPermit>,
    ) {
        if address_permit.is_some() && self.address_permits.len() <= index as usize {
            self.address_permits.resize_with(index as usize + 1, || None);
        }
        if let Some(place) = self.address_permits.get_mut(index as usize) {
            *place = address_permit;
        }
    }
}
