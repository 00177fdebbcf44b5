//! The body of a request, which tells its connection's place when it waits for the peer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

use super::places::Place;

/// A body on its way.
#[derive(Debug)]
pub(super) struct TrackedBody {
    pub(super) body: Incoming,
    pub(super) place: Arc<Place>,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.place.wait();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.place.answer();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
