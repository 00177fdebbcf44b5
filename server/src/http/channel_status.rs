//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/status`.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uringcast_engine::limits::MAX_STATUS_DOCUMENT;
use uringcast_engine::{JsonObject, PublishError};

use super::error::ApiError;
use super::selected_service::SelectedService;
use crate::read_files::without_mark;

/// The body of a document may begin with a byte-order mark.
const MAX_DOCUMENT_BODY: usize = MAX_STATUS_DOCUMENT + 3;

/// What a document must have.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Status {
    #[serde(rename = "status")]
    _status: IgnoredAny,
}

pub(super) async fn put(
    selected: SelectedService,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let body = selected.body_share().read(request.into_body(), MAX_DOCUMENT_BODY).await?;
    let document = document(without_mark(&body.bytes), selected.max_data().depth)?;
    let engine = selected.control.engine().await?;
    engine.set_status(channel, Some(document)).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn get(selected: SelectedService) -> Result<Response, ApiError> {
    let channel = selected.channel()?;
    let engine = selected.control.engine().await?;
    let document = engine.status(channel).await.map_err(refused)?.ok_or_else(none)?;
    let media = [(header::CONTENT_TYPE, "application/json")];
    Ok((media, document.as_str().to_owned()).into_response())
}

pub(super) async fn delete(selected: SelectedService) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let engine = selected.control.engine().await?;
    match engine.set_status(channel, None).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

fn document(body: &[u8], max_depth: usize) -> Result<JsonObject, ApiError> {
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

fn none() -> ApiError {
    ApiError::not_found("no_status", "The channel has no status document.")
}

fn refused(error: PublishError) -> ApiError {
    let text = "There is no room for more status documents, or for the question, now.";
    ApiError::refused(error, text)
}
