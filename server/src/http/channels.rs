//! `GET /v1/channels`, and one of them by its name, and its subscribers.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{ChannelDetail, ChannelInfo};

use super::connections::BUSY;
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
    let channels: Value = channels.iter().map(shown).collect();
    Ok(Json(json!({"channels": channels, "next": next})))
}

pub(super) async fn one(selected: SelectedService) -> Result<Json<Value>, ApiError> {
    let name = selected.channel()?;
    let engine = selected.control.engine().await?;
    let found = engine.channel(name).await.map_err(|error| ApiError::refused(error, BUSY))?;
    let none = || {
        let text =
            "The server knows no such channel: nobody is subscribed, and no message is kept.";
        ApiError::not_found("unknown_channel", text)
    };
    let ChannelDetail { info, log_frames, log_bytes, last_publish, has_status, state, class } =
        found.ok_or_else(none)?;
    let mut all = shown(&info);
    all["log"] = json!({"messages": log_frames, "bytes": log_bytes});
    all["last_publish"] = last_publish.map(|ago| ago.as_secs_f64()).into();
    all["status"] = has_status.into();
    all["state"] = state.map(|(seq, bytes)| json!({"seq": seq.0, "bytes": bytes})).into();
    all["class"] = (*class).into();
    Ok(Json(all))
}

pub(super) async fn presence(selected: SelectedService) -> Result<Json<Value>, ApiError> {
    let name = selected.channel()?;
    let engine = selected.control.engine().await?;
    let found = engine.presence(name.clone()).await;
    let none = || {
        let text = "No presence is kept of this channel: presence, of its class, is off.";
        ApiError::not_found("no_presence", text)
    };
    let list = found.map_err(|error| ApiError::refused(error, BUSY))?.ok_or_else(none)?;
    let mut shown = json!(list);
    shown["channel"] = name.as_str().into();
    Ok(Json(shown))
}

fn shown(channel: &ChannelInfo) -> Value {
    json!({
        "name": channel.name.as_str(),
        "seq": channel.seq.0,
        "epoch": channel.epoch.to_string(),
        "subscribers": channel.subscribers,
    })
}
