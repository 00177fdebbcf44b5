//! `POST /v1/disconnect` and `POST /v1/unsubscribe`.

use axum::Json;
use axum::extract::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, ClientAction, ClientCommand, Target};

use super::error::ApiError;
use super::present;
use super::selected_service::{SelectedService, parse_channel};
use crate::log::AUDIT;

/// The body of a command: the target is a connection, a user or a channel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
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
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let target = match parse(&selected, request).await? {
        (Some(target), None) => target,
        (None, Some(channel)) => Target::Channel(channel),
        _ => return Err(ApiError::bad_request("name one of connection, user and channel")),
    };
    let count = send(&selected, target, ClientAction::Disconnect).await?;
    Ok(Json(json!({ "disconnected": count })))
}

pub(super) async fn unsubscribe(
    selected: SelectedService,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let (target, channel) = parse(&selected, request).await?;
    let Some(target) = target.or_else(|| channel.clone().map(Target::Channel)) else {
        return Err(ApiError::bad_request("name a connection, a user or a channel"));
    };
    let count = send(&selected, target, ClientAction::Unsubscribe(channel)).await?;
    Ok(Json(json!({ "unsubscribed": count })))
}

/// The connection or user that the body names, and the channel.
async fn parse(
    selected: &SelectedService,
    request: Request,
) -> Result<(Option<Target>, Option<ChannelName>), ApiError> {
    selected.all_channels()?;
    let body: CommandBody = selected.json(request).await?;
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
    let command = ClientCommand { service: selected.id, target, action };
    let sent = engine.disconnect(command.clone()).await;
    audit(selected, &command, sent.ok());
    sent.map_err(|_| {
        let text = "The engine has no room for the command now; some may be gone already.";
        ApiError::saturated(text)
    })
}

/// Writes the audit line of a command: caller, target, and how many connections it concerned.
/// Without a number the engine was busy, and may have carried out a part of it.
fn audit(selected: &SelectedService, command: &ClientCommand, count: Option<u64>) {
    let key = selected.caller.logged_name();
    let service = selected.control.name(selected.id);
    let (mut connection, mut user, mut channel) = (None, None, None);
    let (mut address, mut share) = (None, None);
    match &command.target {
        Target::Connection(id) => connection = Some(id.as_str()),
        Target::User(name) => user = Some(name.as_str()),
        Target::Channel(name) => channel = Some(name.as_str()),
        Target::Network(network) => address = Some(network.to_string()),
        Target::Share(percent) => share = Some(percent),
        // A revocation has an audit line of its own.
        Target::Tokens(_) | Target::Certificates(_) => return,
    }
    match &command.action {
        ClientAction::Disconnect => tracing::info!(
            target: AUDIT, key, service, connection, user, channel, count, "disconnected by request"
        ),
        ClientAction::Reconnect(spread, _) => tracing::info!(
            target: AUDIT, key, service, connection, user, channel, address, share,
            spread = spread.as_secs_f64(), count, "told to reconnect by request"
        ),
        ClientAction::Unsubscribe(of) => {
            let channel = of.as_ref().map(ChannelName::as_str).or(channel);
            tracing::info!(
                target: AUDIT, key, service, connection, user, channel, count,
                "unsubscribed by request"
            );
        }
    }
}
