//! One shape for every error: `{"error":{"code","message"}}`.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
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

    pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(super) fn draining() -> ApiError {
        ApiError::unavailable("draining", "The server is shutting down.")
    }

    /// A limit of the server's that waiting does not lift.
    pub(super) fn channel_limit(place: &dyn std::fmt::Display) -> ApiError {
        let text = format!(
            "{place}The channel would be one more than a shard may have: raise shard_channels, or \
             publish to fewer channels."
        );
        ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "channel_limit", text)
    }

    /// Says when to try again; the header has whole seconds, the body the exact time.
    pub(super) fn retry_after(mut self, after: Duration) -> ApiError {
        self.retry_after = Some(after);
        self
    }

    /// What became of each message, where some were taken.
    pub(super) fn with_results(mut self, results: Value) -> ApiError {
        self.more = Some(("results", results));
        self
    }

    /// How far a stream of messages has come.
    pub(super) fn with_summary(mut self, summary: Value) -> ApiError {
        self.more = Some(("summary", summary));
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = Map::new();
        error.insert("code".into(), self.code.into());
        error.insert("message".into(), self.message.into());
        if let Some(after) = self.retry_after {
            error.insert("retry_after".into(), after.as_secs_f64().into());
        }
        let mut body = json!({ "error": error });
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
        response
    }
}

fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
        for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (20_000, 20)] {
            assert_eq!(whole_seconds(Duration::from_millis(ms)), seconds, "{ms} ms");
        }
    }
}
