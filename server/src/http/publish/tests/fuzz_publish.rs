//! The body of the fuzz target of publish bodies: see [`crate::tests::fuzz_server`].

use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::parse::{is_list, parse_item, parse_list};
use super::submit::Message;
use crate::http::error::ApiError;
use crate::http::selected_service::MaxData;
use crate::limits::{MAX_ERROR_TEXT, MAX_PUBLISH_BATCH};

/// Small, so that documents reach it.
const MAX_DATA: MaxData = MaxData { bytes: 300, depth: 20 };

/// Bodies of `POST /v1/publish`, also as lines of a stream. What is accepted is what serde_json
/// reads in the same document, and is accepted again when serde_json has written it. serde_json
/// reads less: half a surrogate pair or a number out of range in `data` is passed on as written.
pub fn publish_body(data: &[u8]) {
    match parse_body(data, MAX_DATA) {
        Ok(messages) => {
            assert!((1..=MAX_PUBLISH_BATCH).contains(&messages.len()));
            let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
            let items = document.as_array().cloned().unwrap_or(vec![document]);
            assert_eq!(items.len(), messages.len());
            items.iter().zip(&messages).for_each(|(item, message)| check(item, message));
        }
        Err(error) => refused(error),
    }
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate().take(MAX_PUBLISH_BATCH) {
        match parse_item(&format_args!("line {number}: "), line, MAX_DATA) {
            Ok(message) => {
                if let Ok(item) = serde_json::from_slice(line) {
                    check(&item, &message);
                }
            }
            Err(error) => refused(error),
        }
    }
}

/// Reads a body as a request has it.
pub(super) fn parse_body(body: &[u8], max_data: MaxData) -> Result<Vec<Message>, ApiError> {
    match is_list(body) {
        true => parse_list(body, max_data),
        false => Ok(vec![parse_item(&"", body, max_data)?]),
    }
}

fn check(item: &Value, message: &Message) {
    let publication = &message.publication;
    assert_eq!(item["channel"], publication.channel.as_str());
    assert_eq!(item["event"], publication.event.as_str());
    assert_eq!(item.get("id").and_then(Value::as_str), message.id.as_deref());
    assert!(publication.data.as_str().len() <= MAX_DATA.bytes);
    let data: Value = serde_json::from_str(publication.data.as_str()).expect("data is JSON");
    assert_eq!(item.get("data").unwrap_or(&json!({})), &data);
    let again = parse_body(item.to_string().as_bytes(), MaxData { bytes: usize::MAX, ..MAX_DATA })
        .expect("a good message");
    assert_eq!(again[0].publication.channel, publication.channel);
}

fn refused(error: ApiError) {
    let text = format!("{error:?}");
    assert!(text.len() < 12 * MAX_ERROR_TEXT, "it does not repeat all it was sent: {text}");
    let status = error.into_response().status();
    assert!([StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&status));
}
