//! The HTTP ports: publishing and channel lists, health, readiness, metrics.

mod auth;
mod channels;
mod debug;
mod error;
mod publish;
mod serve;
mod service;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::RwLock;
use uringcast_engine::{DrainReport, Engine, Publisher, ServiceId};

use crate::auth::ApiKeys;
use crate::canary::Health;
use crate::limits::MAX_PUBLISH_BODY;
use crate::metrics::{Metrics, Requests};
use error::ApiError;
pub use serve::serve;

/// What the handlers share.
#[derive(Debug)]
pub struct Control {
    /// Emptied when the drain begins.
    engine: RwLock<Option<Engine>>,
    /// By service.
    publishers: Vec<Publisher>,
    services: Vec<Publishing>,
    metrics: Option<Metrics>,
    /// `None` without canaries.
    health: Option<Health>,
}

/// One service as publishers see it.
#[derive(Debug)]
pub struct Publishing {
    /// Its name in paths.
    pub name: String,
    /// The largest `data` document in bytes.
    pub max_data: usize,
}

impl Control {
    /// Takes the engine over, with its services in its order.
    pub fn new(
        engine: Engine,
        metrics: Option<Metrics>,
        health: Option<Health>,
        services: Vec<Publishing>,
    ) -> Control {
        let publisher = |place| engine.publisher(ServiceId(place as u8));
        let publishers = (0..services.len()).map(publisher).collect();
        Control { engine: RwLock::new(Some(engine)), publishers, services, metrics, health }
    }

    /// Adds what the shards have measured since the last call to the metrics.
    pub async fn collect(&self) {
        if let (Some(metrics), Some(engine)) = (&self.metrics, &*self.engine.read().await) {
            metrics.collect(engine);
        }
    }

    /// Drains the engine away from this thread; requests that come meanwhile are answered 503.
    pub async fn drain(&self, deadline: std::time::Duration) -> Option<DrainReport> {
        // The lock waits for requests that are using the engine.
        let engine = self.engine.write().await.take()?;
        tokio::task::spawn_blocking(move || engine.drain(deadline)).await.ok()
    }
}

/// The control port. With keys, all but health and readiness ask for it.
pub fn control_router(control: Arc<Control>, keys: ApiKeys) -> Router {
    let requests = control.metrics.as_ref().map(|metrics| metrics.requests().clone());
    let of_a_service = Router::new()
        .route("/publish", post(publish::publish))
        .route("/publish/raw", post(publish::publish_raw))
        .route("/channels", get(channels::list));
    let guarded = Router::new()
        .nest("/v1/services/{service}", of_a_service.clone())
        .nest("/v1", of_a_service)
        .route("/debug/latency", get(debug::latency))
        .layer(DefaultBodyLimit::max(MAX_PUBLISH_BODY));
    let open = Router::new().route("/health", get(health)).route("/ready", get(ready));
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
    router.route_layer(from_fn_with_state(auth::Guard { keys, requests }, auth::check))
}

fn with_json_errors<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let not_found = || async { ApiError::new(StatusCode::NOT_FOUND, "not_found", "No such path.") };
    let not_allowed = || async {
        let text = "This path does not answer that method.";
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    };
    router.method_not_allowed_fallback(not_allowed).fallback(not_found)
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(control): State<Arc<Control>>) -> Response {
    if let Some(shard) = control.health.as_ref().and_then(Health::failing) {
        let text = format!("The canary hears nothing from shard {shard}.");
        return ApiError::unavailable("not_ready", text).into_response();
    }
    match &*control.engine.read().await {
        Some(engine) if engine.is_ready() => axum::Json(json!({"status": "ready"})).into_response(),
        Some(_) => ApiError::unavailable("not_ready", "A shard is not serving.").into_response(),
        None => ApiError::draining().into_response(),
    }
}

fn metrics(shown: Option<&Metrics>) -> Response {
    match shown.map(Metrics::render) {
        Some(Ok(text)) => ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Some(Err(error)) => {
            tracing::error!("metrics cannot be written: {error}");
            let text = "The metrics cannot be written; see the log.";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response()
        }
        None => {
            ApiError::new(StatusCode::NOT_FOUND, "not_found", "Metrics are off.").into_response()
        }
    }
}

#[cfg(test)]
mod tests;
