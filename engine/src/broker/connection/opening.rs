//! A connection that is written Server-Sent Events.

use super::CloseReason;
use crate::types::Encoding;
use crate::wire::event_stream::{Refusal, StreamRequest};

/// What is kept of a connection because it is a stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) encoding: Encoding,
    /// Until the request is answered.
    pub(super) opening: Option<Box<Opening>>,
}

/// A request for a stream that is not answered yet: its client may have to be verified, and its
/// channels joined.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) request: StreamRequest,
    /// The head of the response and the first event, once the client is known.
    pub(crate) lead: Vec<u8>,
    /// Why there is no stream, once that is known.
    pub(crate) refusal: Option<Refusal>,
}

impl Opening {
    /// The response to a request if its connection is closed for this reason.
    pub(crate) fn refuse(self, reason: CloseReason, text: &str) -> Vec<u8> {
        let refusal = self.refusal.unwrap_or_else(|| {
            let (status, code) = reason.response();
            Refusal { status, code, message: text.into() }
        });
        refusal.response(self.request.origin.as_deref())
    }
}

impl Stream {
    /// A stream that was asked for.
    pub(super) fn new(request: StreamRequest) -> Stream {
        let encoding = match request.own_ids || request.channels.len() == 1 {
            true => Encoding::Event,
            false => Encoding::JointEvent,
        };
        Stream { encoding, opening: Some(Stream::opening_of(request)) }
    }

    /// A request that is not answered yet.
    pub(super) fn opening_of(request: StreamRequest) -> Box<Opening> {
        Box::new(Opening { request, lead: Vec::new(), refusal: None })
    }
}
