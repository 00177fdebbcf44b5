//! Connections of which a message has begun to arrive.

use super::Connections;
use crate::broker::context::Context;
use crate::types::{ConnectionKey, Time};

impl Connections {
    /// Bytes of all unfinished messages.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes()
    }

    /// Whether a connection has had its time to finish a message.
    pub(crate) fn is_late(&self, cx: &Context, key: ConnectionKey) -> bool {
        let byte_rate = cx.service(self[key].service).access.byte_rate;
        self.unfinished.is_late(key, byte_rate, cx.time())
    }

    /// Connections that have had their time. None is looked at that has no unfinished message.
    pub(crate) fn late(&self, cx: &Context) -> Vec<ConnectionKey> {
        self.unfinished.keys().filter(|key| self.is_late(cx, *key)).collect()
    }

    /// Gives up a connection's unfinished message, and all that it still sends.
    pub(crate) fn stop_reading(&mut self, key: ConnectionKey) {
        self.unfinished.set(key, self[key].service, 0, Time(0));
        self[key].reader.end();
    }
}
