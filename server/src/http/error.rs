//! One shape for every error: `{"error":{"code","message"}}`.

use std::fmt::Display;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uringcast_engine::PublishError;
use uringcast_engine::limits::BUSY_PAUSE;

use crate::limits::{HTTP_IDLE, HTTP_REQUEST_TIMEOUT, MAX_ERROR_TEXT, ORDER_PAUSE};

/// The code of [`ApiError::draining`].
const DRAINING: &str = "draining";
/// How the parser of JSON names numbers, and what requesters call them.
const NUMBERS: [(&str, &str); 3] = [
    ("f64", "expected a number"),
    ("i64", "expected a whole number"),
    ("u64", "expected a whole number that is not negative"),
];
/// What the parser of queries puts before each of its errors.
const QUERY_FAULT: &str = "Failed to deserialize query string: ";

/// Marks a response as [`ApiError::draining`].
#[derive(Clone, Debug)]
pub(super) struct Draining;

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    status: StatusCode,
    pub(super) code: &'static str,
    message: String,
    retry_after: Option<Duration>,
    more: Option<(&'static str, Value)>,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError { status, code, message: message.into(), retry_after: None, more: None }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A body that ended early, or is not what its Content-Encoding says.
    pub(super) fn unreadable() -> ApiError {
        ApiError::bad_request("the body could not be read, or is not as its Content-Encoding says")
    }

    /// A bad request. Its text may repeat the publisher's input, and is cut.
    pub(super) fn invalid(error: impl Display) -> ApiError {
        let mut text = error.to_string();
        if text.len() > MAX_ERROR_TEXT {
            text.truncate(text.floor_char_boundary(MAX_ERROR_TEXT));
            text.push('…');
        }
        ApiError::bad_request(text)
    }

    /// JSON that is not as it should be, in words of JSON. What is wrong it names by `place`.
    pub(super) fn json(place: &dyn Display, error: &serde_json::Error) -> ApiError {
        let mut text = error.to_string();
        if error.is_eof() && error.column() == 0 {
            text = "there is no JSON".to_owned();
        }
        if error.line() == 1 {
            // Of a stream it is another line than `place` names.
            text = text.replace(" at line 1 column", " at column");
        }
        for (rust, word) in NUMBERS {
            text = text.replace(&format!(", expected {rust}"), &format!(", {word}"));
        }
        ApiError::invalid(format_args!("{place}{text}"))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// The request took too long.
    pub(super) fn late() -> ApiError {
        let text = format!("The request took longer than {} s.", HTTP_REQUEST_TIMEOUT.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text)
    }

    pub(super) fn draining() -> ApiError {
        ApiError::unavailable(DRAINING, "The server is shutting down.")
    }

    /// Whether the server is shutting down, or another process has taken over.
    pub(super) fn is_draining(&self) -> bool {
        self.code == DRAINING
    }

    /// The engine's queues are full; the message names what was refused.
    pub(super) fn saturated(message: impl Into<String>) -> ApiError {
        ApiError::unavailable("saturated", message).retry_after(BUSY_PAUSE)
    }

    /// All places of publishers are in use.
    pub(super) fn no_place() -> ApiError {
        let text = "All connections that this port serves to publishers are in use.";
        ApiError::saturated(text).retry_after(HTTP_IDLE)
    }

    /// A limit of the server's that waiting does not lift.
    pub(super) fn channel_limit(place: &dyn Display) -> ApiError {
        let text = format!(
            "{place}The channel would be one more than a shard may have: raise shard_channels, or \
             publish to fewer channels."
        );
        ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "channel_limit", text)
    }

    /// The engine did not accept something; `saturated` is the message if its queues are full.
    pub(super) fn refused(error: PublishError, saturated: &str) -> ApiError {
        match error {
            PublishError::Closed => ApiError::draining(),
            PublishError::ChannelLimit => ApiError::channel_limit(&""),
            PublishError::Saturated => ApiError::saturated(saturated),
            PublishError::TooLarge => ApiError::too_large(error.to_string()),
            PublishError::Unavailable => {
                let text = "Nothing can be published now: the order of channels is not available.";
                ApiError::unavailable("order_unavailable", text).retry_after(ORDER_PAUSE)
            }
            PublishError::Unknown => {
                let text =
                    "Nobody can say whether it was published: send it again with the same id.";
                ApiError::unavailable("unknown_outcome", text).retry_after(ORDER_PAUSE)
            }
        }
    }

    /// Adds when to try again: whole seconds in the header, the exact time in the body.
    pub(super) fn retry_after(mut self, after: Duration) -> ApiError {
        self.retry_after = Some(after);
        self
    }

    /// Adds a field beside the error: `results` of single messages, or the `summary` of a stream.
    pub(super) fn with(mut self, name: &'static str, value: Value) -> ApiError {
        self.more = Some((name, value));
        self
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> ApiError {
        let text = rejection.body_text();
        ApiError::invalid(format_args!("query: {}", text.trim_start_matches(QUERY_FAULT)))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let is_draining = self.is_draining();
        let mut body = json!({ "error": { "code": self.code, "message": self.message } });
        if let Some(after) = self.retry_after {
            body["error"]["retry_after"] = after.as_secs_f64().into();
        }
        if let Some((name, value)) = self.more {
            body[name] = value;
        }
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, whole_seconds(after).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if is_draining {
            response.extensions_mut().insert(Draining);
        }
        response
    }
}

fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
