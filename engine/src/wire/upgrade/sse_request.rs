//! `GET /v1/sse`: a request for Server-Sent Events.

use http::{HeaderName, Method, header};

use super::{Accepted, Request, Upgrade, UpgradeError, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::wire::event_stream::{StreamFault, StreamRequest};

const PATH: &str = "/v1/sse";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether a request is for a stream of events.
pub(super) fn is_meant(request: &Request) -> bool {
    request.uri.path() == PATH && !request.wants_upgrade()
}

/// Takes what a browser asks before it makes such a request for a page of another origin.
pub(super) fn preflight(request: &Request) -> Result<Upgrade, UpgradeError> {
    let single = |name| request.single(name).ok().flatten();
    let asked = single(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.uri.path() != PATH || asked != Some(Method::GET.as_str()) {
        return Err(UpgradeError::Method);
    }
    let host = single(header::HOST).ok_or(UpgradeError::Host)?.into();
    let origin = single(header::ORIGIN).ok_or(UpgradeError::Origin)?.into();
    Ok(Upgrade::Preflight { origin, host })
}

/// Takes such a request.
pub(super) fn accept(request: &Request) -> Result<Accepted, UpgradeError> {
    let fault = if request.is_http10 {
        Some(StreamFault::OldHttp)
    } else if has_body(request) {
        Some(StreamFault::Body)
    } else if !accepts_events(request) {
        Some(StreamFault::NotAcceptable)
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(UpgradeError::Stream(fault));
    }
    let host = request.single(header::HOST).ok().flatten().ok_or(UpgradeError::Host)?;
    let origin = request.single(header::ORIGIN).map_err(|()| UpgradeError::Origin)?;
    let position = |()| UpgradeError::Stream(StreamFault::Position);
    let last = request.single(LAST_EVENT_ID).map_err(position)?;
    let query = request.uri.query().unwrap_or_default();
    let mut stream = StreamRequest::parse(query, last).map_err(UpgradeError::Stream)?;
    stream.origin = origin.map(Into::into);
    Ok(Accepted {
        response: Vec::new(),
        deflate: None,
        consumed: request.consumed,
        path: PATH.into(),
        host: host.into(),
        origin: origin.map(Into::into),
        forwarded: request.forwarded(X_FORWARDED_FOR),
        forwarded_proto: request.forwarded(X_FORWARDED_PROTO),
        token: request.token()?,
        stream: Some(stream.into()),
    })
}

fn has_body(request: &Request) -> bool {
    let length = request.headers.get_all(header::CONTENT_LENGTH).iter();
    request.headers.contains_key(header::TRANSFER_ENCODING)
        || length.map(|length| length.as_bytes()).any(|length| length != b"0")
}

/// Whether `Accept` lets events pass: the range that fits best counts (RFC 9110, 12.5.1).
fn accepts_events(request: &Request) -> bool {
    const RANGES: [&str; 3] = ["text/event-stream", "text/*", "*/*"];
    if !request.headers.contains_key(header::ACCEPT) {
        return true;
    }
    let weight = |wanted: &str| {
        request.entries(header::ACCEPT).find_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next().filter(|range| range.eq_ignore_ascii_case(wanted))?;
            let weight = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok())?
            });
            Some(weight.unwrap_or(1.0))
        })
    };
    RANGES.iter().find_map(|range| weight(range)).is_some_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests;
