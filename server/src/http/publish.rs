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
use parse::{
    check_id, check_length, check_size, is_list, names, parse_item, parse_key, parse_list,
};
use submit::{Accepted, Message};

/// The header that gives a whole request an id (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One message or a list, each with its channel and event.
    Envelope,
    /// The data of one message; its channel and event are in the query.
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
    fn read(query: Option<&str>) -> Result<RawQuery<'_>, ApiError> {
        let query = query.unwrap_or_default();
        if memchr::memchr2(b'%', b'+', query.as_bytes()).is_none()
            && let Some((channel, event)) = query.split_once('&')
            && let Some(channel) = channel.strip_prefix("channel=")
            && let Some(event) = event.strip_prefix("event=")
            && !event.contains('&')
        {
            return Ok(RawQuery { channel: channel.into(), event: event.into(), key: None });
        }
        // Escaped, in another order, or with a fault, which the extractor names.
        let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
        let Query(query) = Query::try_from_uri(&uri.map_err(ApiError::invalid)?)?;
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
    let key = Given::of(&parts.headers, IDEMPOTENCY_KEY);
    let head = Head::read(selected, form, parts.uri.query(), key)?;
    let body = selected.body_share().read(body, MAX_PUBLISH_BODY).await?;
    publish_body(selected, head, &body.bytes).await
}

/// What the head of a request says of its messages.
pub(super) struct Head<'a> {
    key: Option<&'a str>,
    /// Of the raw form: names and key in the query; the caller may publish to the channel.
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
        query: Option<&str>,
        key: Given<'a>,
    ) -> Result<Head<'a>, ApiError> {
        let names = match form {
            Form::Envelope => None,
            Form::Raw => {
                let query = RawQuery::read(query)?;
                let (channel, event) = names(&"", &query.channel, &query.event)?;
                let key = query.key.map(|key| parse_key(&"", &key)).transpose()?;
                selected.may_publish(std::iter::once(&channel))?;
                Some((channel, event, key))
            }
        };
        Ok(Head { key: idempotency_key(key)?, names })
    }
}

/// Publishes a request after its body has been read.
pub(super) async fn publish_body(
    selected: &SelectedService,
    Head { key, names }: Head<'_>,
    body: &[u8],
) -> Result<Published, ApiError> {
    let max_data = selected.max_data();
    let message = match names {
        None if is_list(body) => {
            let messages = parse_list(body, max_data)?;
            selected.may_publish(messages.iter().map(|message| &message.publication.channel))?;
            return publish_list(selected, messages, key).await;
        }
        None => {
            let message = parse_item(&"", body, max_data)?;
            selected.may_publish(std::iter::once(&message.publication.channel))?;
            message
        }
        Some((channel, event, key)) => {
            check_length(&"", body, max_data)?;
            let data =
                JsonObject::parse_within(without_mark(body), max_data.depth).map_err(|error| {
                    ApiError::invalid(format_args!("the body {error}; it must be the data object"))
                })?;
            check_size(&"", &data, max_data)?;
            let publication = Publication { channel, event, data, key };
            Message { publication, id: None }
        }
    };
    publish_one(selected, message, key).await
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
    let key = given.bytes().filter(|key| key.iter().all(u8::is_ascii_graphic));
    let key = key.and_then(|key| std::str::from_utf8(key).ok());
    let key = key.ok_or_else(|| bad(&"is not visible ASCII without blanks"))?;
    check_id(key).map_err(|error| bad(&error))?;
    Ok(Some(key))
}

/// Publishes the only message of a request. The request's key is its id, if it has none.
async fn publish_one(
    selected: &SelectedService,
    mut message: Message,
    key: Option<&str>,
) -> Result<Published, ApiError> {
    let channel = message.publication.channel.clone();
    key.into_iter().for_each(|key| message.take_id(key, 0));
    let taken = submit::submit_one(selected, message).await.map_err(no_room)?;
    let epoch = selected.control.publisher(selected.id).epoch();
    if taken.is_err() {
        return answer(&[channel], &[taken], epoch);
    }
    Ok(Published::new(&Results { results: &[message_result((&channel, &taken), epoch)] }))
}

/// Publishes the messages of one request. Its key is an id for each of them that has none.
async fn publish_list(
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
    let taken = submit::submit(selected, messages).await.map_err(no_room)?;
    answer(&channels, &taken, selected.control.publisher(selected.id).epoch())
}

/// The answer when nothing was handed over.
fn no_room(error: PublishError) -> ApiError {
    ApiError::refused(error, "The engine has no room now; nothing was published.")
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
        None => Ok(Published::new(&Results { results: &results })),
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
