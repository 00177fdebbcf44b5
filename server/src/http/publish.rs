//! `POST /v1/publish` and `POST /v1/publish/raw`.

#[cfg(any(test, fuzzing))]
#[path = "publish/tests/fuzz_publish.rs"]
pub(crate) mod fuzz_publish;
mod parse;
mod stream;
mod submit;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, Epoch, JsonObject, PublishError};

use super::error::ApiError;
use super::media_type::is_lines;
use super::selected_service::SelectedService;
use crate::read_files::without_mark;
use parse::{check_id, parse_body, publication};
use submit::{Accepted, Message};

/// The header that gives a whole request an id (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The query of the raw form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuery {
    channel: String,
    event: String,
}

pub(super) async fn publish(
    selected: SelectedService,
    request: Request,
) -> Result<Response, ApiError> {
    if is_lines(request.headers()) {
        return stream::publish(selected, request).await;
    }
    let key = idempotency_key(request.headers())?;
    let body = Bytes::from_request(request, &()).await?;
    let messages = parse_body(&body, selected.max_data())?;
    submit(&selected, messages, key.as_deref()).await
}

pub(super) async fn publish_raw(
    selected: SelectedService,
    query: Result<Query<RawQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let key = idempotency_key(&headers)?;
    let max_data = selected.max_data();
    let data = JsonObject::parse_within(without_mark(&body?), max_data.depth).map_err(|error| {
        ApiError::invalid(format_args!("the body {error}; it must be the data object"))
    })?;
    let publication = publication(&"", &query.channel, &query.event, data, max_data)?;
    submit(&selected, vec![Message { publication, id: None }], key.as_deref()).await
}

/// The key of a request, if it has one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bad = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("the header Idempotency-Key {why}"))
    };
    if keys.next().is_some() {
        return Err(bad(&"is given more than once"));
    }
    // `to_str` takes visible ASCII, blanks and tabs.
    let key = key.to_str().ok().filter(|key| !key.contains([' ', '\t']));
    let key = key.ok_or_else(|| bad(&"is not visible ASCII without blanks"))?;
    check_id(key).map_err(|error| bad(&error))?;
    Ok(Some(key.to_owned()))
}

/// Publishes the messages of one request. Its key is an id for each of them that has none.
async fn submit(
    selected: &SelectedService,
    mut messages: Vec<Message>,
    key: Option<&str>,
) -> Result<Response, ApiError> {
    selected.caller.may_publish(messages.iter().map(|message| &message.publication.channel))?;
    let channels: Vec<ChannelName> =
        messages.iter().map(|message| message.publication.channel.clone()).collect();
    if let Some(key) = key {
        for (place, message) in messages.iter_mut().enumerate() {
            message.take_id(key, place as u64);
        }
    }
    let taken = submit::submit(selected, messages).await.map_err(|_| {
        let text = "The engine has no room now; nothing was published.";
        ApiError::saturated(text)
    })?;
    answer(&channels, &taken, selected.control.publisher(selected.id).epoch())
}

/// 202 when every message has its position; 503 or 507 otherwise, saying which have.
fn answer(
    channels: &[ChannelName],
    results: &[Result<Accepted, PublishError>],
    epoch: Epoch,
) -> Result<Response, ApiError> {
    let one = |(channel, result): (&ChannelName, &Result<Accepted, PublishError>)| {
        let mut one = json!({ "channel": channel.as_str() });
        match result {
            Ok(Accepted { seq, duplicate }) => {
                one["seq"] = seq.0.into();
                one["epoch"] = epoch.to_string().into();
                if *duplicate {
                    one["duplicate"] = true.into();
                }
            }
            Err(error) => one["error"] = ApiError::refused(*error, "").code.into(),
        }
        one
    };
    // The reason that the request as a whole is answered with: one that a retry may lift goes
    // before one that it may not.
    let worst = [PublishError::Closed, PublishError::Saturated, PublishError::ChannelLimit]
        .into_iter()
        .find(|error| results.contains(&Err(*error)));
    let results: Value = channels.iter().zip(results).map(one).collect();
    match worst {
        None => Ok((StatusCode::ACCEPTED, Json(json!({ "results": results }))).into_response()),
        Some(error) => {
            let text = "Some messages found no room: those without seq in results.";
            Err(ApiError::refused(error, text).with("results", results))
        }
    }
}

#[cfg(test)]
mod tests;
