//! The HTTP ports: publishing and channel lists, health, readiness, metrics.

mod api_key_guard;
mod channel_status;
mod channels;
mod control;
mod csrf;
mod dashboard_page;
mod debug;
mod disconnect;
mod error;
mod idempotency;
mod openapi;
mod plain_request;
mod publish;
mod publish_connection;
mod publish_endpoint;
mod publish_queue;
mod published;
mod response_buffer;
mod selected_service;
mod serve;
mod time_limit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use uringcast_engine::ServiceId;

use crate::auth::ApiKeys;
use crate::limits::MAX_PUBLISH_BODY;
use crate::metrics::{Metrics, Requests};
pub use control::Control;
use error::ApiError;
pub use publish_endpoint::PublishEndpoint;
pub use serve::{serve, serve_publishing};
#[cfg(any(test, fuzzing))]
pub(crate) use {plain_request::fuzz_plain_request, publish::fuzz_publish};

/// The control port. If keys are configured, every route but health, readiness and the live page
/// requires one.
pub fn control_router(control: Arc<Control>, keys: ApiKeys) -> Router {
    let requests = control.metrics.as_ref().map(|metrics| metrics.requests.clone());
    let of_a_service = Router::new()
        .route("/publish", post(publish::publish))
        .route("/publish/raw", post(publish::publish_raw))
        .route("/disconnect", post(disconnect::disconnect))
        .route("/unsubscribe", post(disconnect::unsubscribe))
        .route("/channels", get(channels::list))
        .route(
            "/channels/{channel}/status",
            get(channel_status::get).put(channel_status::put).delete(channel_status::delete),
        );
    let guarded = Router::new()
        .nest("/v1/services/{service}", of_a_service.clone())
        .nest("/v1", of_a_service)
        .route("/debug/latency", get(debug::latency))
        .route("/debug/live", get(dashboard_page::data))
        .layer(DefaultBodyLimit::max(MAX_PUBLISH_BODY));
    let open = Router::new()
        .route("/v1/openapi.json", get(openapi::document))
        .route("/", get(dashboard_page::page))
        .route("/health", get(health))
        .route("/ready", get(ready));
    with_json_errors(guard(guarded, keys, requests).merge(open)).with_state(control)
}

/// A metrics port, with the metrics of these services.
pub fn metrics_router(control: Arc<Control>, services: &[ServiceId]) -> Router {
    let shown = control.metrics.as_ref().map(|metrics| metrics.only(services));
    let answer = move |State(control): State<Arc<Control>>| async move {
        control.collect().await;
        metrics(shown.as_ref())
    };
    with_json_errors(Router::new().route("/metrics", get(answer))).with_state(control)
}

fn guard<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    keys: ApiKeys,
    requests: Option<Requests>,
) -> Router<S> {
    let guard = api_key_guard::ApiKeyGuard { keys, requests };
    router.route_layer(from_fn_with_state(guard, api_key_guard::check))
}

fn with_json_errors<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let not_found = || async { ApiError::not_found("not_found", "No such path.") };
    let not_allowed = || async {
        let text = "This path does not answer that method.";
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    };
    router.method_not_allowed_fallback(not_allowed).fallback(not_found)
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(control): State<Arc<Control>>) -> Result<Response, ApiError> {
    control.ready().await?;
    Ok(axum::Json(json!({"status": "ready"})).into_response())
}

fn metrics(shown: Option<&Metrics>) -> Response {
    match shown.map(Metrics::render) {
        Some(Ok(text)) => ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Some(Err(error)) => {
            tracing::error!("metrics cannot be written: {error}");
            let text = "The metrics cannot be written; see the log.";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response()
        }
        None => ApiError::not_found("not_found", "Metrics are off.").into_response(),
    }
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
