//! `GET /v1/services`.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};
use uringcast_engine::{AuthMode, Protocol, Service, ServiceLoad};

use super::api_key_guard::Caller;
use super::connections::{BUSY, limited};
use super::control::Control;
use super::error::ApiError;

/// The services that the caller's key is for.
pub(super) async fn list(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    caller.may_see_all()?;
    let loads = control.engine().await?.loads().await;
    let loads = loads.map_err(|error| ApiError::refused(error, BUSY))?;
    let services = control.services();
    let all = services.iter().zip(&loads);
    let own = all.filter(|(service, _)| caller.may_use(Some(&service.name)).is_ok());
    let services: Value = own.map(|(service, load)| shown(service, *load)).collect();
    Ok(Json(json!({ "services": services })))
}

fn shown(service: &Service, load: ServiceLoad) -> Value {
    let Service { name, listen, tls, protocol, access, .. } = service;
    json!({
        "name": name,
        "listen": listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tls": tls.is_some(),
        "protocol": match protocol {
            Protocol::Envelope => "envelope",
            Protocol::Custom(_) => "custom",
            Protocol::Echo => "echo",
        },
        "authentication": match access.mode {
            AuthMode::Off => "off",
            AuthMode::Optional => "optional",
            AuthMode::Required => "required",
        },
        "connections": load.connections,
        "subscriptions": load.subscriptions,
        "limits": {
            "connections": service.max_connections,
            "connections_per_address":
                (access.max_per_address > 0).then_some(access.max_per_address),
            "subscriptions_per_connection": access.max_subscriptions,
            "message_bytes": service.max_message,
            "messages_per_second": limited(service.message_rate),
            "bytes_per_second": limited(access.byte_rate),
        },
    })
}
