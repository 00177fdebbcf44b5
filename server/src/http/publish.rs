//! `POST /v1/publish` and `POST /v1/publish/raw`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, EventName, JsonObject, Lost, Publication, Saturated, Seq};

use super::Control;
use super::auth::Caller;
use super::error::ApiError;
use super::service::Chosen;
use crate::limits::{MAX_ERROR_TEXT, MAX_PUBLISH_BATCH, MAX_PUBLISH_BODY};

/// One message as publishers write it; without `data` it is `{}`, as in the envelope.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// Keeps a null, which is an error, apart from nothing at all, which is not.
fn present<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The query of the raw form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuery {
    channel: String,
    event: String,
}

pub(super) async fn publish(
    State(control): State<Arc<Control>>,
    chosen: Chosen,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let publications = parse_body(&body.map_err(body_error)?, control.publishing(chosen).max_data)?;
    submit(&control, chosen, &caller, publications).await
}

pub(super) async fn publish_raw(
    State(control): State<Arc<Control>>,
    chosen: Chosen,
    Extension(caller): Extension<Caller>,
    query: Result<Query<RawQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(short(error.body_text())))?;
    let body = body.map_err(body_error)?;
    let data = JsonObject::parse(&body).map_err(|error| {
        ApiError::bad_request(short(format!("the body {error}; it must be the data object")))
    })?;
    let publication =
        publication("", &query.channel, &query.event, data, control.publishing(chosen).max_data)?;
    submit(&control, chosen, &caller, vec![publication]).await
}

async fn submit(
    control: &Control,
    chosen: Chosen,
    caller: &Caller,
    batch: Vec<Publication>,
) -> Result<Response, ApiError> {
    caller.may_publish(batch.iter().map(|item| &item.channel))?;
    let channels: Vec<ChannelName> = batch.iter().map(|item| item.channel.clone()).collect();
    let ticket = control.publisher(chosen).try_publish_batch(batch).map_err(
        |Saturated { retry_after }| {
            let text = "The engine has no room now; nothing was published.";
            ApiError::unavailable("saturated", text).retry_after(retry_after)
        },
    )?;
    answer(&channels, &ticket.await)
}

/// 202 when every message has its position; 503 otherwise, saying which have.
fn answer(channels: &[ChannelName], seqs: &[Result<Seq, Lost>]) -> Result<Response, ApiError> {
    let one = |(channel, result): (&ChannelName, &Result<Seq, Lost>)| match result {
        Ok(seq) => json!({"channel": channel.as_str(), "seq": seq.0}),
        Err(Lost::Saturated(_)) => json!({"channel": channel.as_str(), "error": "saturated"}),
        Err(Lost::Closed) => json!({"channel": channel.as_str(), "error": "draining"}),
    };
    let results: Value = channels.iter().zip(seqs).map(one).collect();
    let lost =
        seqs.iter().filter_map(|result| result.as_ref().err()).max_by_key(|lost| match lost {
            Lost::Saturated(Saturated { retry_after }) => (0, *retry_after),
            Lost::Closed => (1, std::time::Duration::ZERO),
        });
    match lost {
        None => {
            let body = axum::Json(json!({ "results": results }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Some(Lost::Closed) => Err(ApiError::draining().with_results(results)),
        Some(Lost::Saturated(Saturated { retry_after })) => {
            let text = "Some messages found no room: those without seq in results.";
            let error = ApiError::unavailable("saturated", text).retry_after(*retry_after);
            Err(error.with_results(results))
        }
    }
}

/// Reads one object or a list of them; messages name the index and the field.
fn parse_body(body: &[u8], max_data: usize) -> Result<Vec<Publication>, ApiError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Ok(vec![parse_item("", body, max_data)?]);
    }
    let items: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(short(format!("the body is no list: {error}"))))?;
    if items.is_empty() {
        return Err(ApiError::bad_request("the list is empty"));
    }
    if items.len() > MAX_PUBLISH_BATCH {
        let text = format!("{} messages are more than {MAX_PUBLISH_BATCH}", items.len());
        return Err(ApiError::too_large(text));
    }
    let one = |(i, item): (usize, &&RawValue)| {
        parse_item(&format!("message {i}: "), item.get().as_bytes(), max_data)
    };
    items.iter().enumerate().map(one).collect()
}

fn parse_item(place: &str, bytes: &[u8], max_data: usize) -> Result<Publication, ApiError> {
    let item: Item<'_> = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(short(format!("{place}{error}"))))?;
    let data = match item.data {
        Some(raw) => JsonObject::from_raw(raw),
        None => JsonObject::parse(b"{}"),
    };
    let data = data.map_err(|error| ApiError::bad_request(format!("{place}data {error}")))?;
    publication(place, &item.channel, &item.event, data, max_data)
}

fn publication(
    place: &str,
    channel: &str,
    event: &str,
    data: JsonObject,
    max_data: usize,
) -> Result<Publication, ApiError> {
    let bad = |field: &str, error| ApiError::bad_request(format!("{place}{field} {error}"));
    let channel = ChannelName::parse(channel).map_err(|error| bad("channel", error))?;
    let event = EventName::parse(event).map_err(|error| bad("event", error))?;
    if data.as_str().len() > max_data {
        let text = format!(
            "{place}data has {} bytes, more than max_message_size = {max_data}",
            data.as_str().len()
        );
        return Err(ApiError::too_large(text));
    }
    Ok(Publication { channel, event, data })
}

fn body_error(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::too_large(format!("the body has more than {MAX_PUBLISH_BODY} bytes"))
    } else {
        ApiError::bad_request("the body could not be read")
    }
}

/// Cuts what may repeat a publisher's input.
fn short(mut text: String) -> String {
    if text.len() > MAX_ERROR_TEXT {
        text.truncate(text.floor_char_boundary(MAX_ERROR_TEXT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
