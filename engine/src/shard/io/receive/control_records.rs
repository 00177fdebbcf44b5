//! Kernel TLS: a plain receive ends with an error in front of a record that is not data.

use super::{Receive, Slots};
use crate::broker::hub::{Hub, ReceiveEnd};
use crate::shard::io::deliver::Delivery;
use crate::shard::tls::ktls_session::Taken;
use crate::telemetry::Count;
use crate::types::{ConnectionKey, Now};

impl Slots {
    /// Looks why a receive failed with `errno` that was in state `before` and is no longer armed.
    /// `None` if the connection goes on.
    pub(super) fn look_into(
        &mut self,
        now: Now,
        key: ConnectionKey,
        before: Receive,
        errno: i32,
        delivery: &mut Delivery,
        hub: &mut Hub,
    ) -> Option<ReceiveEnd> {
        match delivery.take_control(key.index, errno) {
            None | Some(Taken::Reset) => return Some(ReceiveEnd::Reset),
            Some(Taken::End) => return Some(ReceiveEnd::Eof),
            Some(Taken::Fault) => return Some(ReceiveEnd::TlsFault),
            Some(Taken::Deaf) => {
                if let Some(slot) = self.current(key) {
                    slot.ended = true;
                }
                hub.handle_lost_keys(now, key);
                return None;
            }
            Some(Taken::Data(mut bytes)) => hub.handle_received(now, key, &mut bytes),
            Some(Taken::Rekeyed) => hub.recorder.count(Count::TlsKeyUpdates, 1),
            Some(Taken::Nothing) => {}
        }
        if matches!(before, Receive::Armed | Receive::Restarting) {
            self.resume(key);
        }
        None
    }
}
