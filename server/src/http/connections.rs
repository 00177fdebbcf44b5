//! `GET /v1/connections`, one of them by its id, and the subscribers of a channel.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::limits::CONNECTIONS_PAGE;
use uringcast_engine::{
    AddressFilter, ChannelName, Compression, ConnectionDetail, ConnectionInfo, ConnectionQuery,
    TlsMode,
};

use super::command_body::parse_channel;
use super::error::ApiError;
use super::selected_service::SelectedService;

/// Which connections, and which page of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    user: Option<String>,
    channel: Option<String>,
    address: Option<String>,
    behind: Option<u64>,
    limit: Option<usize>,
    cursor: Option<u64>,
}

/// The text of an error: the engine's queues are full.
pub(super) const BUSY: &str = "The engine has no room for the question now.";

pub(super) async fn list(
    selected: SelectedService,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(search) = search?;
    find(&selected, search).await
}

pub(super) async fn subscribers(
    selected: SelectedService,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(search) = search?;
    if search.channel.is_some() {
        return Err(ApiError::bad_request("the path names the channel"));
    }
    let channel = selected.channel()?.as_str().to_owned();
    find(&selected, Search { channel: Some(channel), ..search }).await
}

async fn find(selected: &SelectedService, search: Search) -> Result<Json<Value>, ApiError> {
    let service = selected.all_channels()?;
    let Search { user, channel, address, behind, limit, cursor } = search;
    let limit = limit.unwrap_or(CONNECTIONS_PAGE);
    if !(1..=CONNECTIONS_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is not within 1 to {CONNECTIONS_PAGE}")));
    }
    let channel = channel.as_deref().map(parse_channel).transpose()?;
    let address = address.as_deref().map(parse_address).transpose()?;
    let query = ConnectionQuery { service, user, channel, address, owed: behind };
    let engine = selected.control.engine().await?;
    let found = engine.connections(query, cursor.unwrap_or(0), limit).await;
    let (page, next) = found.map_err(|error| ApiError::refused(error, BUSY))?;
    let service = selected.control.name(service);
    let connections: Value = page.iter().map(|info| shown(service, info)).collect();
    Ok(Json(json!({"connections": connections, "next": next})))
}

pub(super) async fn one(selected: SelectedService) -> Result<Json<Value>, ApiError> {
    let id = selected.all_channels()?;
    let engine = selected.control.engine().await?;
    let found = engine.connection(id, &selected.connection).await;
    let found = found.map_err(|error| ApiError::refused(error, BUSY))?;
    let none = || ApiError::not_found("unknown_connection", "No open connection has this id.");
    let found = found.ok_or_else(none)?;
    let ConnectionDetail { info, channels, client_certificate, messages_left, bytes_left, .. } =
        &found;
    let services = selected.control.services();
    let service = &services[id.index()];
    let mut all = shown(&service.name, info);
    let channel =
        |(name, unread): &(ChannelName, u64)| json!({"name": name.as_str(), "unread": unread});
    all["channels"] = channels.iter().map(channel).collect();
    all["client_certificate"] = client_certificate.as_deref().into();
    all["compression"] = match found.compression {
        Compression::Off => "off",
        Compression::Twin => "twin",
        Compression::Shared => "shared",
    }
    .into();
    all["rates"] = json!({
        "messages_per_second": limited(service.message_rate),
        "messages_left": messages_left,
        "bytes_per_second": limited(service.access.byte_rate),
        "bytes_left": bytes_left,
    });
    Ok(Json(all))
}

/// A rate; `None` for no limit.
pub(super) fn limited(rate: u32) -> Option<u32> {
    (rate > 0).then_some(rate)
}

fn shown(service: &str, info: &ConnectionInfo) -> Value {
    let tls = match info.tls_mode {
        TlsMode::Proxy => Some("proxy"),
        tls_mode => tls_mode.tls_version(),
    };
    json!({
        "id": info.id.to_string(),
        "service": service,
        "user": info.user,
        "address": info.peer.to_string(),
        "since": time(info.since),
        "silent": info.silent.as_secs(),
        "transport": info.transport.label(),
        "tls": tls,
        "kernel_tls": info.tls_mode.is_kernel(),
        "subscriptions": info.subscriptions,
        "paused": info.paused,
        "state": info.lag.map_or("live", |lag| lag.state.label()),
        "owed": info.lag.map_or(0, |lag| lag.owed),
        "laggard_since": info.lag.and_then(|lag| time(lag.since)),
        "skipped": info.skipped.slow,
        "conflated": info.skipped.conflated,
    })
}

/// A time as RFC 3339 has it.
fn time(unix_seconds: i64) -> Option<String> {
    Some(Timestamp::from_second(unix_seconds).ok()?.to_string())
}

fn parse_address(text: &str) -> Result<AddressFilter, ApiError> {
    let host = |ip: IpAddr| AddressFilter::Network(ip.to_canonical().into());
    let socket =
        |at: SocketAddr| AddressFilter::Socket(SocketAddr::new(at.ip().to_canonical(), at.port()));
    let network = |_| text.parse::<IpNet>().map(AddressFilter::Network);
    let parsed = text.parse().map(host).or_else(|_| text.parse().map(socket)).or_else(network);
    parsed.map_err(|_| {
        ApiError::bad_request("address is none: write 192.0.2.7, 192.0.2.7:4711 or 10.0.0.0/8")
    })
}
