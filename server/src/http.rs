//! The HTTP ports: publishing and channel lists, health, readiness, metrics.

mod api_key_guard;
mod carried_out;
mod channel_state;
mod channel_status;
mod channels;
mod client_module;
mod command_body;
mod connections;
mod content_encoding;
mod control;
mod cpu_turns;
mod csrf;
mod dashboard_page;
mod debug;
mod disconnect;
mod document_bodies;
mod drain;
mod error;
mod general_connection;
mod history;
mod idempotency;
mod kept_documents;
mod media_type;
mod openapi;
mod other_nodes;
mod places;
mod plain_request;
mod publish;
mod publish_connection;
mod publish_endpoint;
mod publish_queue;
mod published;
mod request_body;
mod request_target;
mod response_buffer;
mod revocation_body;
mod revoke_tokens;
mod rule_headers;
mod scrape;
mod selected_service;
mod serve;
mod services;
mod shared_documents;
mod time_limit;
mod tracked_body;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use uringcast_engine::ServiceId;

use crate::auth::ApiKeys;
use api_key_guard::ApiKeyGuard;
pub(crate) use carried_out::carry_out;
pub use control::Control;
use error::ApiError;
pub(crate) use kept_documents::keep_documents;
pub use other_nodes::OtherNodes;
pub(crate) use other_nodes::revoke_before;
pub use publish_endpoint::PublishEndpoint;
pub use serve::Port;
#[cfg(any(test, fuzzing))]
pub(crate) use {plain_request::fuzz_plain_request, publish::fuzz_publish};

/// The control port. If keys are configured, every route but health, readiness, the live page and
/// the client's module requires one.
pub fn control_router(control: Arc<Control>, keys: ApiKeys) -> Router {
    let guard = ApiKeyGuard::new(&control, keys);
    let of_a_service = Router::new()
        .route("/publish", post(publish::publish))
        .route("/publish/raw", post(publish::publish_raw))
        .route("/disconnect", post(disconnect::disconnect))
        .route("/unsubscribe", post(disconnect::unsubscribe))
        .route("/drain", post(drain::begin).get(drain::progress))
        .route("/connections", get(connections::list))
        .route("/connections/{connection}", get(connections::one))
        .route("/tokens/revoke", post(revoke_tokens::revoke))
        .route("/channels", get(channels::list))
        .route("/channels/{channel}", get(channels::one))
        .route("/channels/{channel}/subscribers", get(connections::subscribers))
        .route("/channels/{channel}/presence", get(channels::presence))
        .route("/channels/{channel}/history", get(history::read))
        .route(
            "/channels/{channel}/state",
            get(channel_state::get).put(channel_state::put).delete(channel_state::delete),
        )
        .route(
            "/channels/{channel}/status",
            get(channel_status::get).put(channel_status::put).delete(channel_status::delete),
        );
    let guarded = Router::new()
        .nest("/v1/services/{service}", of_a_service.clone())
        .nest("/v1", of_a_service)
        .route("/v1/services", get(services::list))
        .route("/debug/latency", get(debug::latency))
        .route("/debug/live", get(dashboard_page::data))
        .layer(from_fn(content_encoding::decode))
        .route_layer(from_fn_with_state(guard, api_key_guard::check));
    let open = Router::new()
        .route("/v1/openapi.json", get(openapi::document))
        .route("/", get(dashboard_page::page))
        .route("/client/{file}", get(client_module::file))
        .route("/health", get(health))
        .route("/ready", get(ready));
    with_json_errors(guarded.merge(open)).with_state(control)
}

/// A metrics port, with the metrics of these services. A local one answers requests that call it by
/// an address or `localhost`.
pub fn metrics_router(control: Arc<Control>, services: &[ServiceId], is_local: bool) -> Router {
    let shown = control.metrics.as_ref().map(|metrics| metrics.only(services));
    let answer = move |State(control): State<Arc<Control>>, headers: HeaderMap| async move {
        control.collect().await;
        scrape::metrics(shown.as_ref(), &headers)
    };
    let router = Router::new().route("/metrics", get(answer)).route("/", get(scrape::page));
    with_json_errors(router.route_layer(from_fn_with_state(is_local, csrf::check_host)))
        .with_state(control)
}

fn with_json_errors<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let not_found = || async { ApiError::not_found("not_found", "No such path.") };
    let not_allowed = || async {
        let text = "This path does not answer that method.";
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    };
    router
        .method_not_allowed_fallback(not_allowed)
        .fallback(not_found)
        .layer(from_fn(request_target::check))
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(control): State<Arc<Control>>) -> Result<Response, ApiError> {
    control.ready().await?;
    Ok(axum::Json(json!({"status": "ready"})).into_response())
}

/// Reads a field that may be absent, but not null.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
