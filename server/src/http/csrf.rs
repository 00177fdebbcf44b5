//! Accepts requests of the dashboard's page and refuses those of other web pages. Otherwise any
//! page in a user's browser could reach a port on that user's loopback.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

use super::error::ApiError;

/// The answer to a request of another page.
pub(super) fn refusal() -> ApiError {
    let text = "Requests of other sites' pages (by their Origin header) are not served here; nor, \
                without an API key, any under a name other than localhost: use the address.";
    ApiError::new(StatusCode::FORBIDDEN, "browser_origin", text)
}

/// Whether no page sent this request, or a page of this very host and port.
///
/// An `Origin` must therefore equal `Host`. This alone does not stop DNS rebinding: an attacker may
/// point the name of a loaded page at this address, and the page is then of the same origin. Such
/// a page has no key. Without a key, `Host` must be an address or `localhost`, which no name server
/// resolves. With a key, programs that are not browsers may use any name. A key is required where
/// other machines reach the port.
pub(super) fn is_same_origin(headers: &HeaderMap, has_key: bool) -> bool {
    let (Ok(host), Ok(origin)) = (single(headers, &header::HOST), single(headers, &header::ORIGIN))
    else {
        return false;
    };
    let named = host.is_none_or(|host| has_key || is_address_or_localhost(host));
    let same = origin.is_none_or(|origin| {
        let origin = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        origin.is_some() && origin == host
    });
    named && same
}

/// The header, if there is one; an error when there are several or it is no text.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
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
