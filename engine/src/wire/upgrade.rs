//! The HTTP/1.1 upgrade: RFC 6455 section 4.2, requests for Server-Sent Events, and the two health
//! paths.

mod error;
mod sse_request;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tungstenite::handshake::server::{create_response, write_response};

use super::deflate::{self, Deflate};
use super::event_stream::StreamRequest;
use super::{Secret, proxy_protocol};
use crate::limits::{MAX_UPGRADE_HEADERS, MAX_UPGRADE_REQUEST};
pub use error::UpgradeError;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Begins the entry of `Sec-WebSocket-Protocol` that carries a token and is never agreed to.
const BEARER: &str = "bearer.";

/// What the bytes of a new connection are.
#[derive(Debug)]
pub enum Upgrade {
    /// Read on: the request is not whole. Its length is bounded here, not by the caller.
    NeedMore,
    /// Send the response; WebSocket follows, or a stream of events.
    Accept(Accepted),
    /// A browser asks for a page of this origin whether it may request a stream of events: send the
    /// answer and close.
    Preflight {
        /// The `Origin` header.
        origin: String,
        /// The `Host` header.
        host: String,
    },
    /// Send the response and close.
    Answer {
        /// A whole HTTP response.
        response: Vec<u8>,
        /// Why no upgrade; `None` for a health path, which is not a fault.
        refusal: Option<UpgradeError>,
    },
}

/// A good upgrade request, or one for a stream of events.
#[derive(Debug)]
pub struct Accepted {
    /// The `101 Switching Protocols`; empty for a stream.
    pub response: Vec<u8>,
    /// Bytes of the request; those behind it belong to WebSocket.
    pub consumed: usize,
    /// The path, without query.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The `Origin` header, which browsers send.
    pub origin: Option<String>,
    /// The `X-Forwarded-For` headers, joined by commas.
    pub forwarded: Option<String>,
    /// The `X-Forwarded-Proto` headers, likewise.
    pub forwarded_proto: Option<String>,
    /// What the response agrees to of `Sec-WebSocket-Extensions`.
    pub deflate: Option<Deflate>,
    /// The token of `Authorization: Bearer`, else of the subprotocol `bearer.…`, else of `?token=`.
    pub token: Option<Secret>,
    /// What a request for a stream of events asks for.
    pub stream: Option<Box<StreamRequest>>,
}

/// Reads what a connection has sent so far. `ready` is what `GET /ready` answers; `subprotocols`
/// are those that may be agreed to, and with `compression` so may permessage-deflate.
pub fn parse(buffer: &[u8], ready: bool, subprotocols: &[String], compression: bool) -> Upgrade {
    let request = match request(buffer) {
        Ok(None) => return Upgrade::NeedMore,
        Ok(Some(request)) => request,
        Err(refusal) => return refuse(refusal),
    };
    if request.method == Method::OPTIONS {
        return sse_request::preflight(&request).unwrap_or_else(refuse);
    }
    let is_head = request.method == Method::HEAD;
    let answer = match health(&request, ready) {
        Some(response) => Upgrade::Answer { response, refusal: None },
        None if is_head => refuse(UpgradeError::Method),
        None if sse_request::is_meant(&request) => {
            sse_request::accept(&request).map_or_else(refuse, Upgrade::Accept)
        }
        None => upgrade(&request, subprotocols, compression).map_or_else(refuse, Upgrade::Accept),
    };
    if is_head { without_body(answer) } else { answer }
}

/// The answer to HEAD: the fields that GET would have got, and nothing behind them.
fn without_body(mut answer: Upgrade) -> Upgrade {
    const END: &[u8] = b"\r\n\r\n";
    if let Upgrade::Answer { response, .. } = &mut answer
        && let Some(end) = response.windows(END.len()).position(|bytes| bytes == END)
    {
        response.truncate(end + END.len());
    }
    answer
}

fn refuse(refusal: UpgradeError) -> Upgrade {
    Upgrade::Answer { response: refusal.response(), refusal: Some(refusal) }
}

/// A valid HTTP request.
struct Request {
    uri: Uri,
    headers: HeaderMap,
    method: Method,
    is_http10: bool,
    consumed: usize,
}

fn request(buffer: &[u8]) -> Result<Option<Request>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_UPGRADE_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let consumed = match head.parse(buffer) {
        Ok(httparse::Status::Complete(consumed)) if consumed <= MAX_UPGRADE_REQUEST => consumed,
        Ok(httparse::Status::Partial) if buffer.len() < MAX_UPGRADE_REQUEST => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(UpgradeError::TooLarge),
        Err(_) => return Err(no_http(buffer)),
    };
    let (Some(method), Some(path), Some(version)) = (head.method, head.path, head.version) else {
        return Err(UpgradeError::Malformed);
    };
    let served = [Method::GET, Method::HEAD, Method::OPTIONS];
    let method = served.into_iter().find(|served| served.as_str() == method);
    let method = method.ok_or(UpgradeError::Method)?;
    // Names that are no text would all become one name.
    if percent_encoding::percent_decode_str(path).decode_utf8().is_err() {
        return Err(UpgradeError::Malformed);
    }
    let uri = path.parse().map_err(|_| UpgradeError::Malformed)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for header in head.headers.iter() {
        let name = header::HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(UpgradeError::Malformed) };
        headers.append(name, value);
    }
    Ok(Some(Request { uri, headers, method, is_http10: version == 0, consumed }))
}

/// What begins a TLS record with a ClientHello: its type, with which a parser of HTTP gives up.
const TLS_RECORD: &[u8] = b"\x16";

/// What came instead of HTTP, as far as a setting of either side brings it.
fn no_http(buffer: &[u8]) -> UpgradeError {
    if buffer.starts_with(TLS_RECORD) {
        UpgradeError::Tls
    } else if proxy_protocol::begins(buffer) {
        UpgradeError::ProxyHeader
    } else {
        UpgradeError::Malformed
    }
}

impl Request {
    /// The entries of a list header, possibly over several lines.
    fn entries(&self, name: header::HeaderName) -> impl Iterator<Item = &str> {
        let lines = self.headers.get_all(name).into_iter();
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
    }

    fn lists(&self, name: header::HeaderName, token: &str) -> bool {
        self.entries(name).any(|entry| entry.eq_ignore_ascii_case(token))
    }

    fn wants_upgrade(&self) -> bool {
        !self.is_http10
            && self.lists(header::CONNECTION, "upgrade")
            && self.lists(header::UPGRADE, "websocket")
    }

    /// The value of a header that may come once at most.
    fn single(&self, name: header::HeaderName) -> Result<Option<&str>, ()> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
            (Some(_), Some(_)) => Err(()),
        }
    }

    /// The lines of a header of the proxies; one that is no text ends the trusted part.
    fn forwarded(&self, name: HeaderName) -> Option<String> {
        let lines = self.headers.get_all(name).iter();
        let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or_default()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    }

    /// The token of `Authorization: Bearer`, else the query's. A header of another scheme, which a
    /// proxy may want, carries no token.
    fn token(&self) -> Result<Option<Secret>, UpgradeError> {
        let header = self.single(header::AUTHORIZATION).map_err(|()| UpgradeError::Token)?;
        let bearer = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
        });
        let offers = self.entries(header::SEC_WEBSOCKET_PROTOCOL);
        let mut offered = offers.filter_map(|offer| offer.strip_prefix(BEARER));
        let query = self.uri.query().unwrap_or_default().as_bytes();
        let mut tokens = form_urlencoded::parse(query).filter(|(key, _)| key == "token");
        match (offered.next(), offered.next(), tokens.next(), tokens.next()) {
            (_, Some(_), _, _) | (_, _, _, Some(_)) => Err(UpgradeError::Token),
            (offer, None, token, None) => {
                let token = || token.map(|(_, value)| Secret::new(value));
                Ok(bearer.or_else(|| offer.map(Secret::new)).or_else(token))
            }
        }
    }
}

fn upgrade(
    request: &Request,
    subprotocols: &[String],
    compression: bool,
) -> Result<Accepted, UpgradeError> {
    if !request.wants_upgrade() {
        return Err(UpgradeError::NoUpgrade);
    }
    let host = request.single(header::HOST).ok().flatten().ok_or(UpgradeError::Host)?;
    let origin = request.single(header::ORIGIN).map_err(|()| UpgradeError::Origin)?;
    if request.single(header::SEC_WEBSOCKET_VERSION) != Ok(Some("13")) {
        return Err(UpgradeError::Version);
    }
    let key = request.single(header::SEC_WEBSOCKET_KEY).ok().flatten().ok_or(UpgradeError::Key)?;
    // The first offer is what the client likes best: RFC 6455, 4.1.
    let agreed = request
        .entries(header::SEC_WEBSOCKET_PROTOCOL)
        .find(|offer| subprotocols.iter().any(|protocol| protocol == offer));
    let offers = request.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).into_iter();
    let offers = offers.filter(|_| compression).filter_map(|line| line.to_str().ok());
    let (deflate, extensions) = deflate::negotiate(offers).unzip();
    Ok(Accepted {
        response: switch(key, agreed, extensions.as_deref())?,
        deflate,
        consumed: request.consumed,
        path: request.uri.path().into(),
        host: host.into(),
        origin: origin.map(Into::into),
        forwarded: request.forwarded(X_FORWARDED_FOR),
        forwarded_proto: request.forwarded(X_FORWARDED_PROTO),
        token: request.token()?,
        stream: None,
    })
}

/// The `101` for a key, with the subprotocol and extensions agreed to. Everything else was checked:
/// lists are read more generously here.
fn switch(
    key: &str,
    agreed: Option<&str>,
    extensions: Option<&str>,
) -> Result<Vec<u8>, UpgradeError> {
    let request = http::Request::builder()
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, key)
        .body(())
        .map_err(|_| UpgradeError::Key)?;
    let mut response = create_response(&request).map_err(|_| UpgradeError::Key)?;
    let mut insert = |name, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    insert(header::SEC_WEBSOCKET_PROTOCOL, agreed);
    insert(header::SEC_WEBSOCKET_EXTENSIONS, extensions);
    let mut bytes = Vec::new();
    write_response(&mut bytes, &response).expect("a Vec takes every byte");
    Ok(bytes)
}

/// Answers the health paths, unless the request is an upgrade.
fn health(request: &Request, ready: bool) -> Option<Vec<u8>> {
    if request.wants_upgrade() {
        return None;
    }
    let (status, text) = match (request.uri.path(), ready) {
        ("/health", _) => (StatusCode::OK, "ok"),
        ("/ready", true) => (StatusCode::OK, "ready"),
        ("/ready", false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        _ => return None,
    };
    let body = format!("{{\"status\":\"{text}\"}}");
    Some(answer(status, "application/json", "", &body))
}

fn answer(status: StatusCode, content: &str, extra: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{extra}Content-Type: {content}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
