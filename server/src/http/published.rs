//! The answer to messages that all have their positions.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uringcast_engine::Epoch;

/// A 202 with its body of JSON.
#[derive(Debug)]
pub(super) struct Published(Vec<u8>);

/// What became of the messages of a request, in their order.
#[derive(Debug, Serialize)]
pub(super) struct Results<'a> {
    pub(super) results: &'a [MessageResult<'a>],
}

/// What became of one message.
#[derive(Debug, Serialize)]
pub(super) struct MessageResult<'a> {
    pub(super) channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
}

impl Published {
    pub(super) const STATUS: StatusCode = StatusCode::ACCEPTED;
    pub(super) const MEDIA_TYPE: &str = "application/json";

    pub(super) fn new(results: &Results<'_>) -> Published {
        Published(serde_json::to_vec(results).expect("names and numbers can be written"))
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.0
    }
}

impl IntoResponse for Published {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        *response.status_mut() = Published::STATUS;
        let media_type = HeaderValue::from_static(Published::MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}
