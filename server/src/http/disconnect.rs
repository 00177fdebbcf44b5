//! `POST /v1/disconnect` and `POST /v1/unsubscribe`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, ClientAction, ClientCommand, ServiceId, Target};

use super::control::Control;
use super::error::ApiError;
use super::present;
use super::selected_service::WholeService;

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
    State(control): State<Arc<Control>>,
    WholeService(service): WholeService,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let target = match parse(&body?)? {
        (Some(target), None) => target,
        (None, Some(channel)) => Target::Channel(channel),
        _ => return Err(ApiError::bad_request("name one of connection, user and channel")),
    };
    let count = send(&control, service, target, ClientAction::Disconnect).await?;
    Ok(Json(json!({ "disconnected": count })))
}

pub(super) async fn unsubscribe(
    State(control): State<Arc<Control>>,
    WholeService(service): WholeService,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let (target, channel) = parse(&body?)?;
    let Some(target) = target.or_else(|| channel.clone().map(Target::Channel)) else {
        return Err(ApiError::bad_request("name a connection, a user or a channel"));
    };
    let count = send(&control, service, target, ClientAction::Unsubscribe(channel)).await?;
    Ok(Json(json!({ "unsubscribed": count })))
}

/// The connection or user that the body names, and the channel.
fn parse(body: &[u8]) -> Result<(Option<Target>, Option<ChannelName>), ApiError> {
    let body: CommandBody = serde_json::from_slice(body).map_err(ApiError::invalid)?;
    let channel = body.channel.map(|name| ChannelName::parse(&name)).transpose();
    let channel = channel.map_err(|error| ApiError::bad_request(format!("channel {error}")))?;
    let target = match (body.connection, body.user) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("name a connection or a user, not both"));
        }
        (Some(id), None) => Some(Target::Connection(id)),
        (None, user) => user.map(Target::User),
    };
    Ok((target, channel))
}

async fn send(
    control: &Control,
    service: ServiceId,
    target: Target,
    action: ClientAction,
) -> Result<u64, ApiError> {
    let engine = control.engine().await?;
    let sent = engine.disconnect(ClientCommand { service, target, action }).await;
    sent.map_err(|_| {
        let text = "The engine has no room for the command now; some may be gone already.";
        ApiError::saturated(text)
    })
}
