//! `PUT`, `GET` and `DELETE /v1/channels/{channel}/state`.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use uringcast_engine::Seq;
use uringcast_engine::limits::MAX_STATE;

use super::document_bodies::{self, refused};
use super::error::ApiError;
use super::selected_service::SelectedService;
use super::shared_documents::{self, Kind};
use crate::read_files::without_mark;

/// The body has the position beside the state, and blanks.
const MAX_STATE_BODY: usize = MAX_STATE + (1 << 10);

pub(super) async fn put(
    selected: SelectedService,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let channel = selected.channel()?;
    let body = selected.body_share().read(request.into_body(), MAX_STATE_BODY).await?;
    let text = without_mark(&body.bytes);
    let state = document_bodies::state(text, selected.max_data().depth)?;
    if let Some(others) = &selected.control.others {
        let of = (others.name(selected.id), &channel);
        others.documents.put_state(of, (Bytes::copy_from_slice(text), &state)).await?;
        let (control, channel, state) = (&selected.control, &channel, &state);
        let is_here = || async move {
            let here = control.engine().await?.state(channel.clone()).await;
            Ok(here.ok().flatten().is_some_and(|here| here.seq >= state.seq))
        };
        return shared_documents::arrives(is_here).await;
    }
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
    if let Some(others) = &selected.control.others {
        let of = (others.name(selected.id), &channel);
        others.documents.delete(Kind::State, of, none).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let engine = selected.control.engine().await?;
    match engine.set_state(channel, None).await.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

fn none() -> ApiError {
    ApiError::not_found("no_state", "The channel has no state.")
}
