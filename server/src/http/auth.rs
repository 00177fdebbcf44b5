//! Who may publish.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use crate::settings::value::Secret;

/// Lets a request pass that carries the key, if there is one.
pub(super) async fn check(
    State(key): State<Option<Secret>>,
    request: Request,
    next: Next,
) -> Response {
    match &key {
        Some(key) if !carries(request.headers(), key) => {
            let text = "Send the API key as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".";
            ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", text).into_response()
        }
        _ => next.run(request).await,
    }
}

fn carries(headers: &HeaderMap, key: &Secret) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
    });
    let own = headers.get("x-api-key").map(|value| value.as_bytes());
    let same = |given: Option<&[u8]>| {
        given.is_some_and(|given| bool::from(given.ct_eq(key.expose().as_bytes())))
    };
    same(bearer) | same(own)
}
