//! What a request calls its body.

use axum::http::{HeaderMap, header};

/// The media types of one JSON text a line: there is no registered one.
const LINES: [&str; 7] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
];

/// The media type without parameters, in lower case; empty if there is none.
fn of(headers: &HeaderMap) -> String {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// Whether it is one message a line.
pub(super) fn is_lines(headers: &HeaderMap) -> bool {
    LINES.contains(&&*of(headers))
}

/// Whether it is JSON, or JSON lines.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let media = of(headers);
    media == "application/json"
        || LINES.contains(&&*media)
        || media.starts_with("application/") && media.ends_with("+json")
}
