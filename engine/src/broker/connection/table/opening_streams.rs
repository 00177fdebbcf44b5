//! Which connections are streams of events, and which of their requests are not answered yet.

use super::Connections;
use crate::broker::connection::opening::Opening;
use crate::types::{ConnectionKey, Encoding, Transport};

impl Connections {
    /// In which form a connection is written messages.
    pub(crate) fn encoding(&self, key: ConnectionKey) -> Encoding {
        match self[key].transport() {
            Transport::WebSocket => Encoding::Plain,
            Transport::EventStream => {
                self.streams.get(&key.index).map_or(Encoding::Event, |stream| stream.encoding)
            }
        }
    }

    /// Connections that are streams.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether a connection is a stream with a request that is not answered yet.
    pub(crate) fn is_opening(&self, key: ConnectionKey) -> bool {
        self[key].is_stream()
            && self.streams.get(&key.index).is_some_and(|stream| stream.opening.is_some())
    }

    /// The request of a stream that is not answered yet.
    pub(crate) fn opening(&mut self, key: ConnectionKey) -> Option<&mut Opening> {
        self.streams.get_mut(&key.index)?.opening.as_deref_mut()
    }

    /// The same, which is answered now.
    pub(crate) fn end_opening(&mut self, key: ConnectionKey) -> Option<Opening> {
        self.streams.get_mut(&key.index)?.opening.take().map(|opening| *opening)
    }
}
