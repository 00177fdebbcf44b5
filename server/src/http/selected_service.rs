//! What a request addresses: a service, and perhaps one of its channels.

use std::iter::once;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uringcast_engine::{ChannelName, ServiceId};

use super::api_key_guard::Caller;
use super::command_body::parse_channel;
use super::control::Control;
use super::error::ApiError;
use super::idempotency::Owner;
use super::request_body::BodyShare;
use crate::limits::{MAX_PUBLISH_BODY, PUBLISH_LINE_REST};
use crate::read_files::without_mark;

/// The service that the path names, or the only one there is; the caller's key is valid for it.
pub(super) struct SelectedService {
    pub(super) control: Arc<Control>,
    pub(super) id: ServiceId,
    pub(super) caller: Caller,
    /// The channel in the path; empty without one.
    channel: String,
    /// The id of a connection in the path; empty without one.
    pub(super) connection: String,
}

/// The largest `data` that a service takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxData {
    pub(super) bytes: usize,
    /// Levels of lists and objects.
    pub(super) depth: usize,
}

impl MaxData {
    /// Bytes of a whole message: its data and its names.
    pub(super) fn message_bytes(self) -> usize {
        self.bytes.saturating_add(PUBLISH_LINE_REST)
    }
}

/// The parts of a path that have names.
#[derive(Deserialize)]
struct Names {
    service: Option<String>,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    connection: String,
}

impl FromRequestParts<Arc<Control>> for SelectedService {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<SelectedService, ApiError> {
        // The error says which name in the path is not UTF-8.
        let path = Path::from_request_parts(parts, control).await;
        let Path(Names { service, channel, connection }) = path.map_err(ApiError::invalid)?;
        let caller = Caller::of(parts).clone();
        let selected = SelectedService::new(control, service.as_deref(), caller)?;
        Ok(SelectedService { channel, connection, ..selected })
    }
}

impl SelectedService {
    /// The service of this name, or the only one, without a channel.
    ///
    /// # Errors
    /// 400, 403 and 404.
    pub(super) fn new(
        control: &Arc<Control>,
        name: Option<&str>,
        caller: Caller,
    ) -> Result<SelectedService, ApiError> {
        let id = select(&control.names, name)?;
        caller.may_use(Some(control.name(id)))?;
        let (channel, connection) = (String::new(), String::new());
        Ok(SelectedService { control: Arc::clone(control), id, caller, channel, connection })
    }

    /// The service, for a caller with a key that is valid for all of its channels.
    ///
    /// # Errors
    /// 403.
    pub(super) fn all_channels(&self) -> Result<ServiceId, ApiError> {
        self.caller.may_see_all().map(|()| self.id)
    }

    /// The owner of the ids of published messages.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { key: self.caller.name(), service: self.id }
    }

    /// The largest `data` that the service takes.
    pub(super) fn max_data(&self) -> MaxData {
        let service = &self.control.services()[self.id.index()];
        MaxData { bytes: service.max_message, depth: service.max_json_depth }
    }

    /// Room for the bytes of this request's body.
    pub(super) fn body_share(&self) -> BodyShare {
        self.control.bodies.share(self.caller.name())
    }

    /// The whole body of a request, read as JSON.
    ///
    /// # Errors
    /// 400 for what is none, and those of [`BodyShare::read`].
    pub(super) async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, ApiError> {
        let body = self.body_share().read(request.into_body(), MAX_PUBLISH_BODY).await?;
        serde_json::from_slice(without_mark(&body.bytes))
            .map_err(|error| ApiError::json(&"", &error))
    }

    /// Whether the caller may publish to all of these.
    ///
    /// # Errors
    /// 403 naming the first channel it may not.
    pub(super) fn may_publish<'a>(
        &self,
        channels: impl Iterator<Item = &'a ChannelName>,
    ) -> Result<(), ApiError> {
        self.caller.may_publish(self.control.name(self.id), channels)
    }

    /// The channel that the path names; the caller's key is valid for it.
    ///
    /// # Errors
    /// 400 and 403.
    pub(super) fn channel(&self) -> Result<ChannelName, ApiError> {
        let channel = parse_channel(&self.channel)?;
        self.may_publish(once(&channel))?;
        Ok(channel.at(self.id))
    }
}

fn select(names: &[String], wanted: Option<&str>) -> Result<ServiceId, ApiError> {
    match wanted {
        Some(wanted) => {
            let place = names.iter().position(|name| name == wanted);
            let unknown = || ApiError::not_found("unknown_service", "There is no such service.");
            place.map(|place| ServiceId(place as u8)).ok_or_else(unknown)
        }
        None if names.len() == 1 => Ok(ServiceId(0)),
        None => Err(ApiError::bad_request(format!(
            "there are several services: ask below /v1/services/NAME, where NAME is one of {}",
            names.join(", ")
        ))),
    }
}
