//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/status`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uringcast_engine::limits::MAX_STATUS_DOCUMENT;
use uringcast_engine::{ChannelName, JsonObject, PublishError};

use super::api_key_guard::Caller;
use super::control::Control;
use super::error::ApiError;
use super::selected_service::SelectedService;

/// The channel that the path names, at the selected service; the caller's key is valid for it.
pub(super) struct SelectedChannel(ChannelName);

impl FromRequestParts<Arc<Control>> for SelectedChannel {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<SelectedChannel, ApiError> {
        let SelectedService(service) = SelectedService::from_request_parts(parts, control).await?;
        let params = RawPathParams::from_request_parts(parts, control).await;
        let params = params.map_err(ApiError::invalid)?;
        let name = params.iter().find(|(key, _)| *key == "channel");
        let channel = ChannelName::parse(name.map_or("", |(_, name)| name))
            .map_err(|error| ApiError::bad_request(format!("channel {error}")))?;
        Caller::of(parts).may_publish(std::iter::once(&channel))?;
        Ok(SelectedChannel(channel.at(service)))
    }
}

/// What a document must have.
#[derive(Deserialize)]
struct Status {
    #[serde(rename = "status")]
    _status: IgnoredAny,
}

pub(super) async fn put(
    State(control): State<Arc<Control>>,
    SelectedChannel(channel): SelectedChannel,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let document = document(&body?)?;
    let engine = control.engine().await?;
    engine.set_status(channel, Some(document)).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn get(
    State(control): State<Arc<Control>>,
    SelectedChannel(channel): SelectedChannel,
) -> Result<Response, ApiError> {
    let engine = control.engine().await?;
    let document = engine.status(channel).await.map_err(refused)?.ok_or_else(none)?;
    let media = [(header::CONTENT_TYPE, "application/json")];
    Ok((media, document.as_str().to_owned()).into_response())
}

pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    SelectedChannel(channel): SelectedChannel,
) -> Result<Response, ApiError> {
    let engine = control.engine().await?;
    match engine.set_status(channel, None).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(none()),
    }
}

fn document(body: &[u8]) -> Result<JsonObject, ApiError> {
    if body.len() > MAX_STATUS_DOCUMENT {
        let text = format!("the document has more than {MAX_STATUS_DOCUMENT} bytes");
        return Err(ApiError::too_large(text));
    }
    let document = JsonObject::parse(body)
        .map_err(|error| ApiError::invalid(format_args!("the document {error}")))?;
    let status: Result<Status, _> = serde_json::from_str(document.as_str());
    status.map_err(|error| ApiError::invalid(format_args!("the document: {error}")))?;
    Ok(document)
}

fn none() -> ApiError {
    ApiError::not_found("no_status", "The channel has no status document.")
}

fn refused(error: PublishError) -> ApiError {
    let text = "There is no room for more status documents, or for the question, now.";
    ApiError::refused(error, text)
}
