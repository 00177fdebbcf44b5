//! `GET /v1/channels`.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::selected_service::SelectedService;
use crate::limits::{DEFAULT_PAGE, MAX_PAGE};

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    cursor: Option<u64>,
}

pub(super) async fn list(
    selected: SelectedService,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let service = selected.all_channels()?;
    let Query(page) = page?;
    let limit = page.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is not within 1 to {MAX_PAGE}")));
    }
    let engine = selected.control.engine().await?;
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
    Ok(Json(json!({"channels": channels, "next": next})))
}
