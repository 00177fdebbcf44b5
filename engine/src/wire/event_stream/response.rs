//! The head of a stream's response, and what a request is answered that gets none.

use std::fmt::Write;

use http::StatusCode;

use crate::limits::PREFLIGHT_AGE;

/// The fields that let a page of another origin read a response.
fn cross_origin(origin: Option<&str>) -> String {
    let allow = |origin| {
        format!(
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n\
             Vary: Origin\r\n"
        )
    };
    origin.map_or_else(String::new, allow)
}

/// The head of a stream, and its first chunk: after how many milliseconds its client is to come
/// again when it ends.
pub fn head(origin: Option<&str>, retry_ms: u64) -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
         Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        cross_origin(origin)
    )
    .into_bytes();
    super::chunk(format!("retry: {retry_ms}\n\n").as_bytes(), &mut out);
    out
}

/// The answer to a browser that asks whether a page of another origin may request a stream with the
/// fields that this one has.
pub fn preflight(origin: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n{}Access-Control-Allow-Methods: GET\r\n\
         Access-Control-Allow-Headers: Authorization, Last-Event-ID\r\n\
         Access-Control-Max-Age: {}\r\n\r\n",
        cross_origin(Some(origin)),
        PREFLIGHT_AGE.as_secs(),
    )
    .into_bytes()
}

/// Why there is no stream, as HTTP says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// A whole response.
    pub fn response(&self, origin: Option<&str>) -> Vec<u8> {
        let Refusal { status, code, message } = self;
        let body = serde_json::json!({ "error": { "code": code, "message": message } });
        let body = format!("{body}\n");
        let mut extra = cross_origin(origin);
        extra.push_str(match *status {
            StatusCode::UNAUTHORIZED => "WWW-Authenticate: Bearer\r\n",
            // By then there may be room.
            StatusCode::SERVICE_UNAVAILABLE => "Retry-After: 1\r\n",
            _ => "",
        });
        let mut out = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{extra}");
        let length = body.len();
        let rest = "Cache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length";
        write!(out, "{rest}: {length}\r\n\r\n{body}").expect("a String takes every character");
        out.into_bytes()
    }
}

#[cfg(test)]
mod tests;
