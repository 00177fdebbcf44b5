//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/state`.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uringcast_engine::limits::MAX_STATE;
use uringcast_engine::{Epoch, JsonObject, Seq, StateDocument, StateError};

use super::error::ApiError;
use super::selected_service::SelectedService;
use crate::read_files::without_mark;

/// The body has the position beside the state, and blanks.
const MAX_STATE_BODY: usize = MAX_STATE + (1 << 10);
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

pub(super) async fn put(
    selected: SelectedService,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let body = selected.body_share().read(request.into_body(), MAX_STATE_BODY).await?;
    let state = read(without_mark(&body.bytes), selected.max_data().depth)?;
    let engine = selected.control.engine().await?;
    engine.set_state(channel, Some(state)).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get(selected: SelectedService) -> Result<Response, ApiError> {
    let channel = selected.channel()?;
    let engine = selected.control.engine().await?;
    let found = engine.state(channel).await.map_err(|error| refused(error.into()))?;
    let found = found.ok_or_else(none)?;
    let (epoch, Seq(seq)) = (found.epoch, found.seq);
    // It was checked when it was put.
    let media = [(header::CONTENT_TYPE, "application/json")];
    let text = format!(
        r#"{{"state":{},"as_of":{{"epoch":"{epoch}","seq":{seq}}}}}"#,
        found.state.as_str()
    );
    Ok((media, text).into_response())
}

pub(super) async fn delete(selected: SelectedService) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let engine = selected.control.engine().await?;
    match engine.set_state(channel, None).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

fn read(body: &[u8], max_depth: usize) -> Result<StateDocument, ApiError> {
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

fn none() -> ApiError {
    ApiError::not_found("no_state", "The channel has no state.")
}

fn refused(error: StateError) -> ApiError {
    match error {
        StateError::Refused(error) => ApiError::refused(error, BUSY),
        StateError::Restart | StateError::Ahead { .. } | StateError::Older { .. } => {
            ApiError::new(StatusCode::CONFLICT, "state_position", error.to_string())
        }
    }
}
