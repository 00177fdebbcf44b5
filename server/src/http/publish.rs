//! `POST /v1/publish` and `POST /v1/publish/raw`.

#[cfg(any(test, fuzzing))]
#[path = "publish/tests/fuzz_publish.rs"]
pub(crate) mod fuzz_publish;
mod parse;
mod stream;
mod submit;

use std::borrow::Cow;

use axum::extract::{Query, Request};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use uringcast_engine::{
    ChannelName, Epoch, EventName, JsonObject, MessageKey, Publication, PublishError,
};

use super::error::ApiError;
use super::media_type::{content_type, is_lines};
use super::published::{MessageResult, Published, Results};
use super::rule_headers::Given;
use super::selected_service::SelectedService;
use crate::limits::MAX_PUBLISH_BODY;
use crate::read_files::without_mark;
use parse::{check_id, check_length, check_size, names, parse_body, parse_key};
use submit::{Accepted, Message};

/// The header that gives a whole request an id (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One message or a list, each with its channel and event.
    Envelope,
    /// The data of one message, whose channel and event are in the query.
    Raw,
}

/// The query of the raw form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery<'a> {
    channel: Cow<'a, str>,
    event: Cow<'a, str>,
    key: Option<Cow<'a, str>>,
}

impl RawQuery<'_> {
    fn read(uri: &Uri) -> Result<RawQuery<'_>, ApiError> {
        let query = uri.query().filter(|query| !query.contains(['%', '+']));
        if let Some((channel, event)) = query.and_then(|query| query.split_once('&'))
            && let Some(channel) = channel.strip_prefix("channel=")
            && let Some(event) = event.strip_prefix("event=")
            && !event.contains('&')
        {
            return Ok(RawQuery { channel: channel.into(), event: event.into(), key: None });
        }
        // Escaped, in another order, or with a fault, which the extractor names.
        let Query(query) = Query::<RawQuery<'_>>::try_from_uri(uri)?;
        Ok(query)
    }
}

pub(super) async fn publish(
    selected: SelectedService,
    request: Request,
) -> Result<Response, ApiError> {
    if is_lines(content_type(request.headers())) {
        return stream::publish(selected, request).await;
    }
    Ok(publish_whole(&selected, Form::Envelope, request).await?.into_response())
}

pub(super) async fn publish_raw(
    selected: SelectedService,
    request: Request,
) -> Result<Published, ApiError> {
    publish_whole(&selected, Form::Raw, request).await
}

/// Reads the body and publishes. What the head says is wrong is refused before.
async fn publish_whole(
    selected: &SelectedService,
    form: Form,
    request: Request,
) -> Result<Published, ApiError> {
    let (parts, body) = request.into_parts();
    let head = Head::read(selected, form, &parts.uri, Given::of(&parts.headers, IDEMPOTENCY_KEY))?;
    let body = selected.body_share().read(body, MAX_PUBLISH_BODY).await?;
    publish_body(selected, head, &body.bytes).await
}

/// What the head of a request says of its messages.
pub(super) struct Head<'a> {
    key: Option<&'a str>,
    /// Of the raw form: names and key in the query, whose channel the caller may publish to.
    names: Option<(ChannelName, EventName, Option<MessageKey>)>,
}

impl<'a> Head<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// 400 and 403 for what is wrong whatever the body is.
    pub(super) fn read(
        selected: &SelectedService,
        form: Form,
        uri: &Uri,
        key: Given<'a>,
    ) -> Result<Head<'a>, ApiError> {
        let names = match form {
            Form::Envelope => None,
            Form::Raw => {
                let query = RawQuery::read(uri)?;
                let (channel, event) = names(&"", &query.channel, &query.event)?;
                let key = query.key.map(|key| parse_key(&"", &key)).transpose()?;
                selected.may_publish(std::iter::once(&channel))?;
                Some((channel, event, key))
            }
        };
        Ok(Head { key: idempotency_key(key)?, names })
    }
}

/// Publishes a request whose body has been read.
pub(super) async fn publish_body(
    selected: &SelectedService,
    Head { key, names }: Head<'_>,
    body: &[u8],
) -> Result<Published, ApiError> {
    let max_data = selected.max_data();
    let messages = match names {
        None => {
            let messages = parse_body(body, max_data)?;
            selected.may_publish(messages.iter().map(|message| &message.publication.channel))?;
            messages
        }
        Some((channel, event, key)) => {
            check_length(&"", body, max_data)?;
            let data =
                JsonObject::parse_within(without_mark(body), max_data.depth).map_err(|error| {
                    ApiError::invalid(format_args!("the body {error}; it must be the data object"))
                })?;
            check_size(&"", &data, max_data)?;
            let publication = Publication { channel, event, data, key };
            vec![Message { publication, id: None }]
        }
    };
    submit(selected, messages, key).await
}

/// The key of a request, if it has one.
fn idempotency_key(given: Given<'_>) -> Result<Option<&str>, ApiError> {
    if !given.is_given() {
        return Ok(None);
    }
    let bad = |why: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("the header Idempotency-Key {why}"))
    };
    if given.is_repeated() {
        return Err(bad(&"is given more than once"));
    }
    let key = given.text().filter(|key| !key.contains([' ', '\t']));
    let key = key.ok_or_else(|| bad(&"is not visible ASCII without blanks"))?;
    check_id(key).map_err(|error| bad(&error))?;
    Ok(Some(key))
}

/// Publishes the messages of one request. Its key is an id for each of them that has none.
async fn submit(
    selected: &SelectedService,
    mut messages: Vec<Message>,
    key: Option<&str>,
) -> Result<Published, ApiError> {
    let channels: Vec<ChannelName> =
        messages.iter().map(|message| message.publication.channel.clone()).collect();
    if let Some(key) = key {
        for (place, message) in messages.iter_mut().enumerate() {
            message.take_id(key, place as u64);
        }
    }
    let taken = submit::submit(selected, messages).await.map_err(|error| {
        ApiError::refused(error, "The engine has no room now; nothing was published.")
    })?;
    answer(&channels, &taken, selected.control.publisher(selected.id).epoch())
}

/// 202 when every message has its position; 503 or 507 otherwise, saying which have.
fn answer(
    channels: &[ChannelName],
    results: &[Result<Accepted, PublishError>],
    epoch: Epoch,
) -> Result<Published, ApiError> {
    // The reason that the request as a whole is answered with: one that a retry may lift goes
    // before one that it may not.
    let reasons = [
        PublishError::Closed,
        PublishError::Unknown,
        PublishError::Unavailable,
        PublishError::Saturated,
        PublishError::ChannelLimit,
    ];
    let worst = reasons.into_iter().find(|error| results.contains(&Err(*error)));
    let results: Vec<_> =
        channels.iter().zip(results).map(|result| message_result(result, epoch)).collect();
    match worst {
        None => Ok(Published::new(&Results { results })),
        Some(error) => {
            let text = "Some messages found no room: those without seq in results.";
            Err(ApiError::refused(error, text).with("results", json!(results)))
        }
    }
}

fn message_result<'a>(
    (channel, result): (&'a ChannelName, &Result<Accepted, PublishError>),
    epoch: Epoch,
) -> MessageResult<'a> {
    let channel = channel.as_str();
    match result {
        Ok(Accepted { seq, duplicate }) => {
            let duplicate = duplicate.then_some(true);
            MessageResult { channel, duplicate, epoch: Some(epoch), error: None, seq: Some(seq.0) }
        }
        Err(error) => {
            let error = Some(ApiError::refused(*error, "").code);
            MessageResult { channel, duplicate: None, epoch: None, error, seq: None }
        }
    }
}

#[cfg(test)]
mod tests;
