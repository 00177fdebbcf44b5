//! What a request calls its body.

use axum::http::HeaderMap;

use super::rule_headers::Given;

/// JSON as nearly all clients call it. To compare that is all that most requests need.
const PLAIN_JSON: &[u8] = b"application/json";

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

/// The header that says it.
pub(super) fn content_type(headers: &HeaderMap) -> Given<'_> {
    Given::of(headers, "content-type")
}

/// The media type without parameters; empty if there is none.
fn of(content_type: Given<'_>) -> &str {
    let media = content_type.text().and_then(|media| media.split(';').next());
    media.unwrap_or_default().trim()
}

/// Whether it is one message a line.
pub(super) fn is_lines(content_type: Given<'_>) -> bool {
    if content_type.bytes() == Some(PLAIN_JSON) {
        return false;
    }
    let media = of(content_type);
    LINES.iter().any(|name| media.eq_ignore_ascii_case(name))
}

/// Whether it is JSON, or JSON lines.
pub(super) fn is_json(content_type: Given<'_>) -> bool {
    if content_type.bytes() == Some(PLAIN_JSON) {
        return true;
    }
    let Some((kind, name)) = of(content_type).split_once('/') else { return false };
    let (_, format) = name.rsplit_once('+').unwrap_or(("", name));
    let is_json = kind.eq_ignore_ascii_case("application") && format.eq_ignore_ascii_case("json");
    is_json || is_lines(content_type)
}
