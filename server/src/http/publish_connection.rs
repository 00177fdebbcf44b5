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

impl PublishConnection {
    pub(super) fn new(stream: TcpStream, place: Arc<Place>) -> PublishConnection {
        let (response, limit) = (ResponseBuffer::default(), TimeLimit::new());
        PublishConnection { stream, place, unread: Vec::new(), response, limit }
    }

    /// Serves until the connection ends, or until `stop` turns true or its sender is gone. Returns
    /// the socket, and the bytes to be read before those of the socket, at the first request that
    /// is not plain.
    pub(super) async fn run(
        mut self,
        endpoint: &PublishEndpoint,
        mut stop: watch::Receiver<bool>,
    ) -> Option<(TcpStream, Vec<u8>)> {
        let stopping = stop.clone();
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        self.limit.begin(HTTP_HEADER_TIMEOUT);
        loop {
            let has_head = match read(&self.unread) {
                Err(Unread::Other) => return Some((self.stream, self.unread)),
                Ok(request) => {
                    self.limit.begin(HTTP_REQUEST_TIMEOUT);
                    self.place.answer();
                    let answer = self.limit.run(endpoint.answer(&request, &self.place)).await;
                    self.place.wait();
                    let answer = answer.unwrap_or_else(|| Err(ApiError::late()));
                    let last = *stopping.borrow();
                    let bytes = self.response.encode(answer, last).await;
                    let length = request.length;
                    self.limit.run(self.stream.write_all(bytes)).await?.ok()?;
                    if last {
                        return None;
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
                    biased;
                    received = self.stream.read_buf(&mut self.unread) => received.ok(),
                    _ = &mut stopped, if idle => None,
                }
            });
            match received.await {
                Some(None | Some(0)) => return None,
                Some(Some(_)) => {}
                // A slow body has the time that hyper gives it.
                None if has_head => return Some((self.stream, self.unread)),
                None => return None,
            }
        }
    }
}
