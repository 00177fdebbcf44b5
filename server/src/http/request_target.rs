//! Refuses paths and queries that are not text.

use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::error::ApiError;

/// Answers 400 unless path and query are UTF-8 behind their percent encoding. The parser of the
/// query would put U+FFFD for every other byte, so that different names became one.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if is_text(request.uri()) {
        return next.run(request).await;
    }
    ApiError::bad_request("the path or the query is not UTF-8 where it is percent-encoded")
        .into_response()
}

/// Whether path and query are UTF-8 behind their percent encoding.
fn is_text(uri: &Uri) -> bool {
    is_part_text(uri.path()) && uri.query().is_none_or(is_part_text)
}

/// Whether a path, a query or both together are UTF-8 behind their percent encoding.
pub(super) fn is_part_text(part: &str) -> bool {
    percent_decode_str(part).decode_utf8().is_ok()
}
