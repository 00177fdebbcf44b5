//! The bodies of requests that put a channel's state or status document, as nodes pass them on.

use axum::http::StatusCode;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uringcast_engine::limits::{MAX_STATE, MAX_STATUS_DOCUMENT};
use uringcast_engine::{Epoch, JsonObject, Seq, StateDocument, StateError};

use super::error::ApiError;

/// The text of an error: the engine has no room.
const BUSY: &str = "There is no room for more states, or for the question, now.";

/// A state with its position, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with state and as_of")]
struct Positioned<'a> {
    #[serde(borrow)]
    state: &'a RawValue,
    as_of: AsOf,
}

/// The last message that is in a state.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with epoch and seq")]
struct AsOf {
    epoch: String,
    #[serde(deserialize_with = "whole")]
    seq: u64,
}

/// Writers of JSON may give a whole number as `7.0`.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let is_whole = |float: &f64| float.fract() == 0.0 && (0.0..u64::MAX as f64).contains(float);
    let float = || number.as_f64().filter(is_whole).map(|float| float as u64);
    let text = "expected a whole number that is not negative";
    number.as_u64().or_else(float).ok_or_else(|| D::Error::custom(text))
}

/// What a document must have.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Status {
    #[serde(rename = "status")]
    _status: IgnoredAny,
}

/// A state.
///
/// # Errors
/// 400 and 413.
pub(super) fn state(body: &[u8], max_depth: usize) -> Result<StateDocument, ApiError> {
    let Positioned { state, as_of: AsOf { epoch, seq } } =
        serde_json::from_slice(body).map_err(|error| ApiError::json(&"", &error))?;
    if state.get().len() > MAX_STATE {
        return Err(ApiError::too_large(format!("the state has more than {MAX_STATE} bytes")));
    }
    let state = JsonObject::from_raw(state, max_depth)
        .map_err(|error| ApiError::invalid(format_args!("the state {error}")))?;
    let none = || ApiError::bad_request("as_of: epoch is none: it has 16 hexadecimal digits");
    let epoch = Epoch::parse(&epoch).ok_or_else(none)?;
    Ok(StateDocument { state, epoch, seq: Seq(seq) })
}

/// A status document.
///
/// # Errors
/// 400 and 413.
pub(super) fn status(body: &[u8], max_depth: usize) -> Result<JsonObject, ApiError> {
    if body.len() > MAX_STATUS_DOCUMENT {
        let text = format!("the document has more than {MAX_STATUS_DOCUMENT} bytes");
        return Err(ApiError::too_large(text));
    }
    let document = JsonObject::parse_within(body, max_depth)
        .map_err(|error| ApiError::invalid(format_args!("the document {error}")))?;
    let status: Result<Status, _> = serde_json::from_str(document.as_str());
    status.map_err(|error| ApiError::json(&"the document: ", &error))?;
    Ok(document)
}

/// Why the engine does not take a state.
pub(super) fn refused(error: StateError) -> ApiError {
    match error {
        StateError::Refused(error) => ApiError::refused(error, BUSY),
        StateError::Restart | StateError::Ahead { .. } | StateError::Older { .. } => {
            ApiError::new(StatusCode::CONFLICT, "state_position", error.to_string())
        }
    }
}
