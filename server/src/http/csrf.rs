//! Accepts requests of the dashboard's page and refuses those of other web pages. Otherwise any
//! page in a user's browser could reach a port on that user's loopback.
//!
//! Browsers send requests of some forms across sites without asking the server first. A page can
//! give none of those a JSON media type, and some carry no `Origin`; so what changes something must
//! have that type, and must not be called cross-site by `Sec-Fetch-Site`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::media_type;
use super::rule_headers::RuleHeaders;

/// The answer to a request of another page.
pub(super) fn refusal() -> ApiError {
    let text = "Requests of other sites' pages (by Origin or Sec-Fetch-Site) are not served here; \
                nor, without an API key, any under a name other than localhost: use the address.";
    ApiError::new(StatusCode::FORBIDDEN, "browser_origin", text)
}

/// The answer to a body that is not called JSON.
pub(super) fn no_json() -> ApiError {
    let text = "Send the body with Content-Type: application/json (curl --json), or \
                application/x-ndjson for one message a line.";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text)
}

/// Answers on a metrics port as [`is_same_origin`] decides.
pub(super) async fn check_host(
    State(is_local): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    match is_same_origin(&RuleHeaders::of(request.headers()), !is_local) {
        true => next.run(request).await,
        false => refusal().into_response(),
    }
}

/// Whether a request changes nothing, or no other site's page has caused it.
pub(super) fn is_same_site(method: &Method, headers: &RuleHeaders<'_>) -> bool {
    method.is_safe()
        || matches!(headers.fetch_site.single(), Ok(None | Some("same-origin" | "none")))
}

/// Whether a request has no body to read and calls it nothing, or calls it JSON.
pub(super) fn is_json(method: &Method, headers: &RuleHeaders<'_>) -> bool {
    let media = headers.content_type;
    let is_empty = headers.content_length.bytes().is_none_or(|length| length == b"0")
        && !headers.transfer_encoding.is_given();
    is_empty && !media.is_given()
        || ![Method::POST, Method::PUT].contains(method)
        || !media.is_repeated() && media_type::is_json(media)
}

/// Whether no page sent this request, or a page of this very host and port.
///
/// An `Origin` must therefore equal `Host`. This alone does not stop DNS rebinding: an attacker may
/// point the name of a loaded page at this address, and the page is then of the same origin. Such
/// a page has no key. Without a key, `Host` must be an address or `localhost`, which no name server
/// resolves. With a key, programs that are not browsers may use any name. A key is required where
/// other machines reach the port. A metrics port that they reach has no key, and any name too.
pub(super) fn is_same_origin(headers: &RuleHeaders<'_>, any_name: bool) -> bool {
    let (Ok(host), Ok(origin)) = (headers.host.single(), headers.origin.single()) else {
        return false;
    };
    let named = host.is_none_or(|host| any_name || is_address_or_localhost(host));
    let same = origin.is_none_or(|origin| {
        let origin = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        origin.is_some() && origin == host
    });
    named && same
}

/// Whether this host is an address, or the one name that means loopback everywhere.
fn is_address_or_localhost(host: &str) -> bool {
    // The usual form, which costs least.
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
