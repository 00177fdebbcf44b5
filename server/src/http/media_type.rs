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

/// The media type without parameters; empty if there is none.
fn of(headers: &HeaderMap) -> &str {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.and_then(|media| media.split(';').next()).unwrap_or_default().trim()
}

/// Whether it is one message a line.
pub(super) fn is_lines(headers: &HeaderMap) -> bool {
    let media = of(headers);
    LINES.iter().any(|name| media.eq_ignore_ascii_case(name))
}

/// Whether it is JSON, or JSON lines.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some((kind, name)) = of(headers).split_once('/') else { return false };
    let (_, format) = name.rsplit_once('+').unwrap_or(("", name));
    let is_json = kind.eq_ignore_ascii_case("application") && format.eq_ignore_ascii_case("json");
    is_json || is_lines(headers)
}
