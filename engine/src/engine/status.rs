//! Status documents, kept by the home shard of their channel.

use std::sync::Arc;

use super::control::Control;
use crate::broker::hub::Hub;
use crate::shard::Command;
use crate::types::{ChannelName, JsonObject, PublishError};

/// See [`Engine::set_status`](super::Engine::set_status).
pub(super) async fn set(
    control: &Control,
    channel: ChannelName,
    document: Option<Arc<JsonObject>>,
) -> Result<bool, PublishError> {
    let (reply, answer) = oneshot::async_channel();
    send(control, &channel.clone(), Command::SetDocument { channel, document, reply })?;
    // No answer: the shard has ended.
    answer.await.unwrap_or(Err(PublishError::Closed))
}

/// See [`Engine::status`](super::Engine::status).
pub(super) async fn get(
    control: &Control,
    channel: ChannelName,
) -> Result<Option<Arc<JsonObject>>, PublishError> {
    let (reply, answer) = oneshot::async_channel();
    send(control, &channel.clone(), Command::Document { channel, reply })?;
    answer.await.map_err(|_| PublishError::Closed)
}

fn send(control: &Control, channel: &ChannelName, command: Command) -> Result<(), PublishError> {
    let home = Hub::home_of(channel, control.mailboxes.len());
    let sent = control.mailboxes[home.index()].send_control(command);
    sent.map_err(|_| PublishError::Saturated)
}
