//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/status`.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use uringcast_engine::PublishError;
use uringcast_engine::limits::MAX_STATUS_DOCUMENT;

use super::document_bodies;
use super::error::ApiError;
use super::selected_service::SelectedService;
use super::shared_documents::{self, Kind};
use crate::read_files::without_mark;

/// The body of a document may begin with a byte-order mark.
const MAX_DOCUMENT_BODY: usize = MAX_STATUS_DOCUMENT + 3;

pub(super) async fn put(
    selected: SelectedService,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let body = selected.body_share().read(request.into_body(), MAX_DOCUMENT_BODY).await?;
    let text = without_mark(&body.bytes);
    let document = document_bodies::status(text, selected.max_data().depth)?;
    if let Some(others) = &selected.control.others {
        let of = (others.name(selected.id), &channel);
        others.documents.put_status(of, Bytes::copy_from_slice(text)).await?;
        let (control, channel) = (&selected.control, &channel);
        let is_here = || async move {
            let here = control.engine().await?.status(channel.clone()).await;
            Ok(here.is_ok_and(|here| here.is_some()))
        };
        return shared_documents::arrives(is_here).await;
    }
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
    if let Some(others) = &selected.control.others {
        let of = (others.name(selected.id), &channel);
        others.documents.delete(Kind::Status, of, none).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let engine = selected.control.engine().await?;
    match engine.set_status(channel, None).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

fn none() -> ApiError {
    ApiError::not_found("no_status", "The channel has no status document.")
}

fn refused(error: PublishError) -> ApiError {
    let text = "There is no room for more status documents, or for the question, now.";
    ApiError::refused(error, text)
}
