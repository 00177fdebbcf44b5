//! A connection of the control port for as long as its requests are plain publish requests: one
//! read and one write each, and nothing of a general HTTP server in between (decision 0029).

use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::error::ApiError;
use super::places::Place;
use super::plain_request::{Unread, read};
use super::publish_endpoint::PublishEndpoint;
use super::response_buffer::ResponseBuffer;
use super::time_limit::TimeLimit;
use crate::handover::Passing;
use crate::limits::{HTTP_HEADER_TIMEOUT, HTTP_REQUEST_TIMEOUT, PLAIN_READ};

/// The connection.
pub(super) struct PublishConnection {
    stream: TcpStream,
    place: Arc<Place>,
    /// What was received and is not answered.
    unread: Vec<u8>,
    response: ResponseBuffer,
    limit: TimeLimit,
}

/// What goes on with a connection: with its socket, and the bytes to be read before those of the
/// socket.
pub(super) enum Next {
    /// Nothing: it has ended.
    Nobody,
    /// The general server: its next request is not plain.
    General(TcpStream, Vec<u8>),
    /// The process that has taken over.
    Successor(TcpStream, Vec<u8>),
}

/// What a read has come to.
enum Read {
    Bytes,
    End,
    HandedOver,
}

impl PublishConnection {
    /// A connection of which `unread` was read already.
    pub(super) fn new(stream: TcpStream, unread: Vec<u8>, place: Arc<Place>) -> PublishConnection {
        let (response, limit) = (ResponseBuffer::default(), TimeLimit::new());
        PublishConnection { stream, place, unread, response, limit }
    }

    /// Serves until the connection ends, or until `stop` turns true or its sender is gone; until
    /// the first request that is not plain; or until another process has taken over.
    pub(super) async fn run(
        mut self,
        endpoint: &PublishEndpoint,
        mut stop: watch::Receiver<bool>,
        passing: &Passing,
    ) -> Next {
        let stopping = stop.clone();
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut handed_over = pin!(passing.begun());
        self.limit.begin(HTTP_HEADER_TIMEOUT);
        loop {
            let has_head = match read(&self.unread) {
                Err(Unread::Other) => return Next::General(self.stream, self.unread),
                Ok(request) => {
                    self.limit.begin(HTTP_REQUEST_TIMEOUT);
                    self.place.answer();
                    let answer = self.limit.run(endpoint.answer(&request, &self.place)).await;
                    if let Some(Err(error)) = &answer
                        && error.is_draining()
                        && passing.has_begun()
                    {
                        // Nothing of it was published.
                        return Next::Successor(self.stream, self.unread);
                    }
                    self.place.wait();
                    let answer = answer.unwrap_or_else(|| Err(ApiError::late()));
                    let last = *stopping.borrow();
                    let bytes = self.response.encode(answer, last).await;
                    let length = request.length;
                    match self.limit.run(self.stream.write_all(bytes)).await {
                        Some(Ok(())) if !last => {}
                        _ => return Next::Nobody,
                    }
                    self.unread.drain(..length);
                    self.limit.begin(HTTP_HEADER_TIMEOUT);
                    continue;
                }
                Err(Unread::Partial { has_head }) => has_head,
            };
            let idle = self.unread.is_empty();
            self.unread.reserve(PLAIN_READ);
            let received = self.limit.run(async {
                tokio::select! {
                    // What has come is read at once: under load nothing else is asked for.
                    biased;
                    received = self.stream.read_buf(&mut self.unread) => match received {
                        Ok(0) | Err(_) => Read::End,
                        Ok(_) => Read::Bytes,
                    },
                    () = &mut handed_over => Read::HandedOver,
                    _ = &mut stopped, if idle => Read::End,
                }
            });
            match received.await {
                Some(Read::Bytes) => {}
                Some(Read::End) => return Next::Nobody,
                Some(Read::HandedOver) => return Next::Successor(self.stream, self.unread),
                // A slow body has the time that hyper gives it.
                None if has_head => return Next::General(self.stream, self.unread),
                None => return Next::Nobody,
            }
        }
    }
}
