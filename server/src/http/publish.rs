//! `POST /v1/publish` and `POST /v1/publish/raw`.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod parse;
mod repeats;
mod stream;
mod submit;

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::limits::BUSY_PAUSE;
use uringcast_engine::{ChannelName, JsonObject, PublishError};

use super::Control;
use super::auth::Caller;
use super::error::ApiError;
use super::service::Chosen;
use crate::limits::MAX_PUBLISH_BODY;
pub(super) use parse::short;
use parse::{check_id, parse_body, publication};
pub(super) use repeats::Repeats;
pub(super) use stream::is_stream;
use submit::{Message, Taken};

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
    State(control): State<Arc<Control>>,
    chosen: Chosen,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    if is_stream(request.headers()) {
        return stream::publish(&control, chosen, caller, request).await;
    }
    let key = idempotency_key(request.headers())?;
    let body = Bytes::from_request(request, &()).await.map_err(body_error)?;
    let messages = parse_body(&body, control.publishing(chosen).max_data)?;
    submit(&control, chosen, &caller, messages, key.as_deref()).await
}

pub(super) async fn publish_raw(
    State(control): State<Arc<Control>>,
    chosen: Chosen,
    Extension(caller): Extension<Caller>,
    query: Result<Query<RawQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(short(error.body_text())))?;
    let key = idempotency_key(&headers)?;
    let body = body.map_err(body_error)?;
    let data = JsonObject::parse(&body).map_err(|error| {
        ApiError::bad_request(short(format!("the body {error}; it must be the data object")))
    })?;
    let max_data = control.publishing(chosen).max_data;
    let publication = publication(&"", &query.channel, &query.event, data, max_data)?;
    let messages = vec![Message { publication, id: None }];
    submit(&control, chosen, &caller, messages, key.as_deref()).await
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
    control: &Control,
    chosen: Chosen,
    caller: &Caller,
    mut messages: Vec<Message>,
    key: Option<&str>,
) -> Result<Response, ApiError> {
    caller.may_publish(messages.iter().map(|message| &message.publication.channel))?;
    let channels: Vec<ChannelName> =
        messages.iter().map(|message| message.publication.channel.clone()).collect();
    if let Some(key) = key {
        for (place, message) in messages.iter_mut().enumerate() {
            message.take_id(key, place as u64);
        }
    }
    let taken = submit::submit(control, chosen, messages).await.map_err(|_| {
        let text = "The engine has no room now; nothing was published.";
        ApiError::unavailable("saturated", text).retry_after(BUSY_PAUSE)
    })?;
    answer(&channels, &taken)
}

/// 202 when every message has its position; 503 or 507 otherwise, saying which have.
fn answer(
    channels: &[ChannelName],
    seqs: &[Result<Taken, PublishError>],
) -> Result<Response, ApiError> {
    let one = |(channel, result): (&ChannelName, &Result<Taken, PublishError>)| match result {
        Ok(Taken { seq, repeat: false }) => json!({"channel": channel.as_str(), "seq": seq.0}),
        Ok(Taken { seq, repeat: true }) => {
            json!({"channel": channel.as_str(), "seq": seq.0, "duplicate": true})
        }
        Err(PublishError::Saturated) => json!({"channel": channel.as_str(), "error": "saturated"}),
        Err(PublishError::ChannelLimit) => {
            json!({"channel": channel.as_str(), "error": "channel_limit"})
        }
        Err(PublishError::Closed) => json!({"channel": channel.as_str(), "error": "draining"}),
    };
    let results: Value = channels.iter().zip(seqs).map(one).collect();
    let lost =
        seqs.iter().filter_map(|result| result.as_ref().err()).max_by_key(|lost| match lost {
            // What a repeat may still get done is told before what it may not.
            PublishError::ChannelLimit => 0,
            PublishError::Saturated => 1,
            PublishError::Closed => 2,
        });
    match lost {
        None => {
            let body = axum::Json(json!({ "results": results }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Some(PublishError::Closed) => Err(ApiError::draining().with_results(results)),
        Some(PublishError::ChannelLimit) => Err(ApiError::channel_limit(&"").with_results(results)),
        Some(PublishError::Saturated) => {
            let text = "Some messages found no room: those without seq in results.";
            let error = ApiError::unavailable("saturated", text).retry_after(BUSY_PAUSE);
            Err(error.with_results(results))
        }
    }
}

pub(super) fn body_error(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::too_large(format!("the body has more than {MAX_PUBLISH_BODY} bytes"))
    } else {
        ApiError::bad_request("the body could not be read")
    }
}

#[cfg(test)]
mod tests;
