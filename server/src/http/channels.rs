//! `GET /v1/channels`.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::Control;
use super::error::ApiError;
use super::selected_service::WholeService;
use crate::limits::{DEFAULT_PAGE, MAX_PAGE};

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    cursor: Option<u64>,
}

pub(super) async fn list(
    State(control): State<Arc<Control>>,
    WholeService(service): WholeService,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(page) = page?;
    let limit = page.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is not within 1 to {MAX_PAGE}")));
    }
    let engine = control.engine().await?;
    let (channels, next) = engine.channels(service, page.cursor.unwrap_or(0), limit).await;
    let one = |channel: &uringcast_engine::ChannelInfo| {
        json!({
            "name": channel.name.as_str(),
            "seq": channel.seq.0,
            "epoch": channel.epoch.to_string(),
            "subscribers": channel.subscribers,
        })
    };
    let channels: Value = channels.iter().map(one).collect();
    Ok(axum::Json(json!({"channels": channels, "next": next})).into_response())
}
