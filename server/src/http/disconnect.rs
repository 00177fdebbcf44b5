//! `POST /v1/disconnect` and `POST /v1/unsubscribe`.

use axum::Json;
use axum::extract::Request;
use serde_json::{Value, json};
use uringcast_engine::{ChannelName, ClientAction, ClientCommand, Target};

use super::command_body::{CommandBody, Kind, parse};
use super::error::ApiError;
use super::other_nodes::Others;
use super::selected_service::SelectedService;
use crate::log::AUDIT;

pub(super) async fn disconnect(
    selected: SelectedService,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    command(&selected, request, Kind::Disconnect).await
}

pub(super) async fn unsubscribe(
    selected: SelectedService,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    command(&selected, request, Kind::Unsubscribe).await
}

async fn command(
    selected: &SelectedService,
    request: Request,
    kind: Kind,
) -> Result<Json<Value>, ApiError> {
    selected.all_channels()?;
    let body: CommandBody = selected.json(request).await?;
    let (target, action) = parse(kind, &body)?;
    let count = send(selected, target, action).await;
    let others = match &selected.control.others {
        Some(others) => others.tell(kind.name(), selected.id, &body).await,
        None => Others::None,
    };
    others.answer((kind.counted(), count?.into()), json!({}))
}

pub(super) async fn send(
    selected: &SelectedService,
    target: Target,
    action: ClientAction,
) -> Result<u64, ApiError> {
    let engine = selected.control.engine().await?;
    let command = ClientCommand { service: selected.id, target, action };
    let sent = engine.disconnect(command.clone()).await;
    let service = selected.control.name(selected.id);
    audit((selected.caller.logged_name(), service), &command, sent.ok());
    sent.map_err(|_| {
        let text = "The engine has no room for the command now; some may be gone already.";
        ApiError::saturated(text)
    })
}

/// Writes the audit line of a command: the caller's key, which another node's has not, the service,
/// the target, and how many connections it concerned. Without a number the engine was busy, and may
/// have carried out a part of it.
pub(super) fn audit(
    (key, service): (Option<&str>, &str),
    command: &ClientCommand,
    count: Option<u64>,
) {
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
