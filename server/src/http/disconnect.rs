//! `POST /v1/disconnect` and `POST /v1/unsubscribe`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, ClientAction, ClientCommand, Target};

use super::error::ApiError;
use super::present;
use super::selected_service::{SelectedService, parse_channel};
use crate::read_files::without_mark;

/// The body of a command: the target is a connection, a user or a channel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    #[serde(default, deserialize_with = "present")]
    connection: Option<String>,
    #[serde(default, deserialize_with = "present")]
    user: Option<String>,
    #[serde(default, deserialize_with = "present")]
    channel: Option<String>,
}

pub(super) async fn disconnect(
    selected: SelectedService,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let target = match parse(&selected, body)? {
        (Some(target), None) => target,
        (None, Some(channel)) => Target::Channel(channel),
        _ => return Err(ApiError::bad_request("name one of connection, user and channel")),
    };
    let count = send(&selected, target, ClientAction::Disconnect).await?;
    Ok(Json(json!({ "disconnected": count })))
}

pub(super) async fn unsubscribe(
    selected: SelectedService,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let (target, channel) = parse(&selected, body)?;
    let Some(target) = target.or_else(|| channel.clone().map(Target::Channel)) else {
        return Err(ApiError::bad_request("name a connection, a user or a channel"));
    };
    let count = send(&selected, target, ClientAction::Unsubscribe(channel)).await?;
    Ok(Json(json!({ "unsubscribed": count })))
}

/// The connection or user that the body names, and the channel.
fn parse(
    selected: &SelectedService,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Option<Target>, Option<ChannelName>), ApiError> {
    selected.all_channels()?;
    let body: CommandBody =
        serde_json::from_slice(without_mark(&body?)).map_err(ApiError::invalid)?;
    let channel = body.channel.as_deref().map(parse_channel).transpose()?;
    let target = match (body.connection, body.user) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("name a connection or a user, not both"));
        }
        (Some(id), None) => Some(Target::Connection(id)),
        (None, user) => user.map(Target::User),
    };
    Ok((target, channel))
}

pub(super) async fn send(
    selected: &SelectedService,
    target: Target,
    action: ClientAction,
) -> Result<u64, ApiError> {
    let engine = selected.control.engine().await?;
    let sent = engine.disconnect(ClientCommand { service: selected.id, target, action }).await;
    sent.map_err(|_| {
        let text = "The engine has no room for the command now; some may be gone already.";
        ApiError::saturated(text)
    })
}
