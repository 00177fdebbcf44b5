//! The metrics port: `GET /metrics`, and `GET /`, a page that leads there.

use std::io::Cursor;

use async_compression::Level;
use async_compression::tokio::bufread::GzipEncoder;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use tokio_util::io::ReaderStream;

use super::error::ApiError;
use crate::metrics::Metrics;

/// The page, without anything that a browser would have to fetch.
const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <title>Uringcast: metrics</title>\n<h1>Uringcast</h1>\n\
    <p><a href=\"metrics\">metrics</a>: what Prometheus reads here. The live page, health and \
    readiness are on the control port.</p>\n</html>\n";

/// The page for a browser.
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(PAGE)).into_response()
}

/// All metrics, compressed where the scraper takes that, as Prometheus does: to about a tenth.
pub(super) fn metrics(shown: Option<&Metrics>, request: &HeaderMap) -> Response {
    let text = match shown.map(Metrics::render) {
        Some(Ok(text)) => text,
        Some(Err(error)) => {
            tracing::error!("metrics cannot be written: {error}");
            let text = "The metrics cannot be written; see the log.";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return ApiError::new(status, "internal", text).into_response();
        }
        None => return ApiError::not_found("not_found", "Metrics are off.").into_response(),
    };
    let compressed = takes_gzip(request);
    let body = if compressed {
        let encoder = GzipEncoder::with_quality(Cursor::new(text), Level::Fastest);
        Body::from_stream(ReaderStream::new(encoder))
    } else {
        Body::from(text)
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Metrics::CONTENT_TYPE));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether a client accepts gzip: RFC 9110, 12.5.3. `*` alone is none that says so.
fn takes_gzip(request: &HeaderMap) -> bool {
    let lines = request.get_all(header::ACCEPT_ENCODING).iter();
    let mut entries = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    entries.any(|entry| {
        let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests;
