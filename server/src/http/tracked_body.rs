//! The body of a request, which tells its connection's place when it waits for the peer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;

use super::places::Place;

/// A body on its way.
#[derive(Debug)]
pub(super) struct TrackedBody {
    pub(super) body: Incoming,
    pub(super) place: Arc<Place>,
    /// Where it may have to be sent again.
    pub(super) copy: Option<Arc<BodyCopy>>,
}

/// What was read of a body.
#[derive(Debug, Default)]
pub(super) struct BodyCopy(Mutex<(Vec<Bytes>, bool)>);

impl BodyCopy {
    /// All of the body; `None` if it was not read to its end.
    pub(super) fn whole(&self) -> Option<Vec<u8>> {
        let copy = self.0.lock();
        copy.1.then(|| copy.0.concat())
    }

    /// There is no more of it.
    pub(super) fn end(&self) {
        self.0.lock().1 = true;
    }
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
        if let Some(copy) = &self.copy {
            match &frame {
                Some(Ok(frame)) => copy.0.lock().0.extend(frame.data_ref().cloned()),
                Some(Err(_)) => {}
                None => copy.end(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
