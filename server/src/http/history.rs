//! `GET /v1/channels/{channel}/history`.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uringcast_engine::limits::{DEFAULT_HISTORY_MESSAGES, HISTORY_BYTES, HISTORY_MESSAGES};
use uringcast_engine::{Epoch, HistoryPosition, HistoryRange, Seq};

use super::connections::BUSY;
use super::error::ApiError;
use super::selected_service::SelectedService;

/// Which part of the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    since: Option<u64>,
    epoch: Option<String>,
    limit: Option<usize>,
    reverse: Option<bool>,
}

pub(super) async fn read(
    selected: SelectedService,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let channel = selected.channel()?;
    let Query(asked) = asked?;
    let range = range(asked)?;
    let engine = selected.control.engine().await?;
    let page = engine.history(channel.clone(), range).await;
    let page = page.map_err(|error| ApiError::refused(error, BUSY))?;
    // It is made of what is JSON already.
    let text = serde_json::to_string(&page.answer(&channel, usize::MAX)).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

fn range(asked: Asked) -> Result<HistoryRange, ApiError> {
    let Asked { since, epoch, limit, reverse } = asked;
    let limit = limit.unwrap_or(DEFAULT_HISTORY_MESSAGES);
    if !(1..=HISTORY_MESSAGES).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is not within 1 to {HISTORY_MESSAGES}")));
    }
    let none = || ApiError::bad_request("epoch is none: it has 16 hexadecimal digits");
    let epoch = epoch.map(|text| Epoch::parse(&text).ok_or_else(none)).transpose()?;
    let since = since.map(|seq| HistoryPosition { epoch, seq: Seq(seq) });
    Ok(HistoryRange { since, limit, bytes: HISTORY_BYTES, reverse: reverse.unwrap_or(false) })
}
