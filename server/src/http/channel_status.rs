//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/status`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uringcast_engine::limits::BUSY_PAUSE;
use uringcast_engine::limits::MAX_STATUS_DOCUMENT;
use uringcast_engine::{ChannelName, JsonObject, PublishError};

use super::Control;
use super::api_key_guard::Caller;
use super::error::ApiError;
use super::publish::{body_error, short};
use super::selected_service::SelectedService;

/// The channel that the path names, at the service chosen, if the caller's key is for it.
pub(super) struct Named(ChannelName);

impl FromRequestParts<Arc<Control>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Named, ApiError> {
        let SelectedService(service) = SelectedService::from_request_parts(parts, control).await?;
        let params = RawPathParams::from_request_parts(parts, control).await;
        let params = params.map_err(|error| ApiError::bad_request(short(error.to_string())))?;
        let name = params.iter().find(|(key, _)| *key == "channel");
        let channel = ChannelName::parse(name.map_or("", |(_, name)| name))
            .map_err(|error| ApiError::bad_request(format!("channel {error}")))?;
        let caller = Extension::<Caller>::from_request_parts(parts, control).await;
        let Extension(caller) = caller.map_err(|missing| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            ApiError::new(status, "internal", missing.body_text())
        })?;
        caller.may_publish(std::iter::once(&channel))?;
        Ok(Named(channel.at(service)))
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
    Named(channel): Named,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let document = document(&body.map_err(body_error)?)?;
    let engine = control.engine().await?;
    engine.set_status(channel, Some(document)).await.map_err(lost)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn get(
    State(control): State<Arc<Control>>,
    Named(channel): Named,
) -> Result<Response, ApiError> {
    let engine = control.engine().await?;
    let document = engine.status(channel).await.map_err(lost)?.ok_or_else(none)?;
    let media = [(header::CONTENT_TYPE, "application/json")];
    Ok((media, document.as_str().to_owned()).into_response())
}

pub(super) async fn delete(
    State(control): State<Arc<Control>>,
    Named(channel): Named,
) -> Result<Response, ApiError> {
    let engine = control.engine().await?;
    match engine.set_status(channel, None).await.map_err(lost)? {
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
        .map_err(|error| ApiError::bad_request(short(format!("the document {error}"))))?;
    let status: Result<Status, _> = serde_json::from_str(document.as_str());
    status.map_err(|error| ApiError::bad_request(short(format!("the document: {error}"))))?;
    Ok(document)
}

fn none() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_status", "The channel has no status document.")
}

fn lost(lost: PublishError) -> ApiError {
    match lost {
        PublishError::Closed => ApiError::draining(),
        PublishError::ChannelLimit => ApiError::channel_limit(&""),
        PublishError::Saturated => {
            let text = "There is no room for more status documents, or for the question, now.";
            ApiError::unavailable("saturated", text).retry_after(BUSY_PAUSE)
        }
    }
}
