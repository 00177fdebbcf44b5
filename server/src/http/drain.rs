//! `POST /v1/drain` and `GET /v1/drain`: clients are told to reconnect, and the server goes on.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::limits::MAX_DRAIN_SPREAD;
use uringcast_engine::{ClientAction, DrainReason, Target};

use super::command_body::parse_channel;
use super::connections::BUSY;
use super::disconnect::send;
use super::error::ApiError;
use super::present;
use super::selected_service::SelectedService;

/// Whom a drain means, one of five ways, and how many seconds it takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct DrainBody {
    #[serde(default, deserialize_with = "present")]
    share: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    connection: Option<String>,
    #[serde(default, deserialize_with = "present")]
    user: Option<String>,
    #[serde(default, deserialize_with = "present")]
    channel: Option<String>,
    #[serde(default, deserialize_with = "present")]
    address: Option<String>,
    #[serde(default, deserialize_with = "present")]
    spread: Option<f64>,
}

pub(super) async fn begin(
    selected: SelectedService,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    selected.all_channels()?;
    let body: DrainBody = selected.json(request).await?;
    let spread = match body.spread {
        Some(seconds) => parse_spread(seconds)?,
        None => selected.control.drain_spread(),
    };
    let target = parse_target(body)?;
    let action = ClientAction::Reconnect(spread, DrainReason::Drain);
    let told = send(&selected, target, action).await?;
    Ok(Json(json!({ "told": told, "spread": spread.as_secs_f64() })))
}

/// How many were told and are still there.
pub(super) async fn progress(selected: SelectedService) -> Result<Json<Value>, ApiError> {
    let id = selected.all_channels()?;
    let loads = selected.control.engine().await?.loads().await;
    let load = loads.map_err(|error| ApiError::refused(error, BUSY))?[id.index()];
    Ok(Json(json!({ "left": load.draining, "connections": load.connections })))
}

fn parse_spread(seconds: f64) -> Result<Duration, ApiError> {
    let spread = Duration::try_from_secs_f64(seconds).ok();
    spread.filter(|spread| *spread <= MAX_DRAIN_SPREAD).ok_or_else(|| {
        let most = MAX_DRAIN_SPREAD.as_secs();
        ApiError::bad_request(format!("spread is a number of seconds, 0 to {most}"))
    })
}

fn parse_target(body: DrainBody) -> Result<Target, ApiError> {
    let DrainBody { share, connection, user, channel, address, .. } = body;
    let share = share.map(parse_share).transpose()?;
    let channel = channel.as_deref().map(parse_channel).transpose()?.map(Target::Channel);
    let address = address.as_deref().map(parse_network).transpose()?;
    let all = [share, connection.map(Target::Connection), user.map(Target::User), channel, address];
    let mut named = all.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(target), None) => Ok(target),
        _ => Err(ApiError::bad_request("name one of share, connection, user, channel and address")),
    }
}

/// Writers of JSON may give a whole number as `7.0`.
fn parse_share(percent: f64) -> Result<Target, ApiError> {
    match percent.fract() == 0.0 && (1.0..=100.0).contains(&percent) {
        true => Ok(Target::Share(percent as u8)),
        false => Err(ApiError::bad_request("share is a whole number of percent, 1 to 100")),
    }
}

fn parse_network(text: &str) -> Result<Target, ApiError> {
    let host = text.parse().map(|ip: IpAddr| IpNet::from(ip.to_canonical()));
    let network = host
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| ApiError::bad_request("address is none: write 192.0.2.7 or 10.0.0.0/8"))?;
    Ok(Target::Network(network))
}
