//! Responses as bytes of HTTP/1.1.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use rustix::time::{ClockId, clock_gettime};

use super::error::ApiError;
use super::published::Published;

/// The response that a connection writes next.
#[derive(Debug, Default)]
pub(super) struct ResponseBuffer {
    bytes: Vec<u8>,
    /// The second since 1970 that `date` is of.
    second: i64,
    date: String,
}

impl ResponseBuffer {
    /// Encodes an answer. The last one of a connection says so.
    pub(super) async fn encode(
        &mut self,
        answer: Result<Published, ApiError>,
        last: bool,
    ) -> &[u8] {
        self.bytes.clear();
        match answer {
            Ok(published) => {
                self.begin(Published::STATUS);
                self.header("content-type", Published::MEDIA_TYPE.as_bytes());
                self.end(published.body(), last);
            }
            Err(error) => {
                let (head, body) = error.into_response().into_parts();
                self.begin(head.status);
                for (name, value) in &head.headers {
                    self.header(name.as_str(), value.as_bytes());
                }
                // It is whole already, and cannot fail.
                let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
                self.end(&body, last);
            }
        }
        &self.bytes
    }

    fn begin(&mut self, status: StatusCode) {
        let reason = status.canonical_reason().unwrap_or_default();
        for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    fn header(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    fn end(&mut self, body: &[u8], last: bool) {
        if last {
            self.header("connection", b"close");
        }
        self.set_date();
        for part in ["date: ", &self.date, "\r\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        // Writing to a Vec cannot fail.
        let _ = write!(self.bytes, "content-length: {}\r\n\r\n", body.len());
        self.bytes.extend_from_slice(body);
    }

    fn set_date(&mut self) {
        // The kernel's last tick, milliseconds old at most.
        let second = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        if self.date.is_empty() || second != self.second {
            let now = UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or_default());
            (self.second, self.date) = (second, httpdate::fmt_http_date(now));
        }
    }
}

#[cfg(test)]
mod tests;
