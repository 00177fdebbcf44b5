//! `POST /v1/disconnect` and `POST /v1/unsubscribe`.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;
use uringcast_engine::limits::BUSY_PAUSE;
use uringcast_engine::{ChannelName, ClientAction, ClientCommand, ServiceId, Target};

use super::Control;
use super::api_key_guard::Caller;
use super::error::ApiError;
use super::publish::{body_error, short};
use super::selected_service::SelectedService;

/// The body of a command: the target is a connection, a user or a channel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    #[serde(default, deserialize_with = "some")]
    connection: Option<String>,
    #[serde(default, deserialize_with = "some")]
    user: Option<String>,
    #[serde(default, deserialize_with = "some")]
    channel: Option<String>,
}

/// A null is nobody.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

pub(super) async fn disconnect(
    State(control): State<Arc<Control>>,
    SelectedService(service): SelectedService,
    Extension(caller): Extension<Caller>,
    body: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    caller.may_see_all()?;
    let target = match parse(&body.map_err(body_error)?)? {
        (Some(target), None) | (None, Some(target)) => target,
        _ => return Err(ApiError::bad_request("name one of connection, user and channel")),
    };
    let count = expel(&control, service, target, ClientAction::Disconnect).await?;
    Ok(Json(json!({ "disconnected": count })).into_response())
}

pub(super) async fn unsubscribe(
    State(control): State<Arc<Control>>,
    SelectedService(service): SelectedService,
    Extension(caller): Extension<Caller>,
    body: Result<axum::body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    caller.may_see_all()?;
    let (target, channel) = parse(&body.map_err(body_error)?)?;
    let from = match &channel {
        Some(Target::Channel(name)) => Some(name.clone()),
        _ => None,
    };
    let Some(target) = target.or(channel) else {
        return Err(ApiError::bad_request("name a connection, a user or a channel"));
    };
    let count = expel(&control, service, target, ClientAction::Unsubscribe(from)).await?;
    Ok(Json(json!({ "unsubscribed": count })).into_response())
}

/// The connections that are named one by one or by their user, and those named by a channel.
fn parse(body: &[u8]) -> Result<(Option<Target>, Option<Target>), ApiError> {
    let whom: CommandBody = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(short(error.to_string())))?;
    let channel = whom.channel.map(|name| ChannelName::parse(&name)).transpose();
    let channel = channel.map_err(|error| ApiError::bad_request(format!("channel {error}")))?;
    let who = match (whom.connection, whom.user) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("name a connection or a user, not both"));
        }
        (Some(id), None) => Some(Target::Connection(id)),
        (None, user) => user.map(Target::User),
    };
    Ok((who, channel.map(Target::Channel)))
}

async fn expel(
    control: &Control,
    service: ServiceId,
    target: Target,
    action: ClientAction,
) -> Result<u64, ApiError> {
    let engine = control.engine().await?;
    let expelled = engine.expel(ClientCommand { service, target, action }).await;
    expelled.map_err(|_| {
        let text = "The engine has no room for the command now; some may be gone already.";
        ApiError::unavailable("saturated", text).retry_after(BUSY_PAUSE)
    })
}
