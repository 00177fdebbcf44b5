//! Status documents, kept by the home shard of their channel.

use std::sync::Arc;

use super::handle::Handle;
use crate::broker::Hub;
use crate::shard::Command;
use crate::types::{ChannelName, JsonObject, PublishError};

/// See [`Engine::set_status`](super::Engine::set_status).
pub(super) async fn set(
    handle: &Handle,
    channel: ChannelName,
    document: Option<Arc<JsonObject>>,
) -> Result<bool, PublishError> {
    let (reply, answer) = oneshot::async_channel();
    send(handle, &channel.clone(), Command::SetDocument { channel, document, reply })?;
    // No answer: the shard has ended.
    answer.await.unwrap_or(Err(PublishError::Closed))
}

/// See [`Engine::status`](super::Engine::status).
pub(super) async fn get(
    handle: &Handle,
    channel: ChannelName,
) -> Result<Option<Arc<JsonObject>>, PublishError> {
    let (reply, answer) = oneshot::async_channel();
    send(handle, &channel.clone(), Command::Document { channel, reply })?;
    answer.await.map_err(|_| PublishError::Closed)
}

fn send(handle: &Handle, channel: &ChannelName, command: Command) -> Result<(), PublishError> {
    let home = Hub::home_of(channel, handle.mailboxes.len());
    let sent = handle.mailboxes[home.index()].send_control(command);
    sent.map_err(|_| PublishError::Saturated)
}
