//! The HTTP ports: publishing and channel lists, health, readiness, metrics.

mod auth;
mod channels;
mod debug;
mod error;
mod expel;
mod live;
mod openapi;
mod origin;
mod publish;
mod serve;
mod service;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::{RwLock, RwLockReadGuard};
use uringcast_engine::{DrainReport, Engine, Publisher, ServiceId};

use crate::auth::ApiKeys;
use crate::canary::Health;
use crate::limits::MAX_PUBLISH_BODY;
use crate::live::Live;
use crate::metrics::{Metrics, Requests};
use error::ApiError;
#[cfg(any(test, fuzzing))]
pub(crate) use publish::fuzzing;
pub use serve::serve;

/// What the handlers share.
#[derive(Debug)]
pub struct Control {
    /// Emptied when the drain begins.
    engine: RwLock<Option<Engine>>,
    /// By service.
    publishers: Vec<Publisher>,
    services: Vec<Publishing>,
    repeats: publish::Repeats,
    metrics: Option<Metrics>,
    /// `None` without canaries.
    health: Option<Health>,
    live: Live,
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
        live: Live,
    ) -> Control {
        let publisher = |place| engine.publisher(ServiceId(place as u8));
        let publishers = (0..services.len()).map(publisher).collect();
        let engine = RwLock::new(Some(engine));
        let repeats = publish::Repeats::default();
        Control { engine, publishers, services, repeats, metrics, health, live }
    }

    /// The engine, which cannot be drained away while this is held.
    async fn engine(&self) -> Result<RwLockReadGuard<'_, Engine>, ApiError> {
        let engine = self.engine.read().await;
        RwLockReadGuard::try_map(engine, Option::as_ref).map_err(|_| ApiError::draining())
    }

    /// Adds what the shards have measured since the last call to the metrics.
    pub async fn collect(&self) {
        if let (Some(metrics), Some(engine)) = (&self.metrics, &*self.engine.read().await) {
            metrics.collect(engine);
        }
    }

    /// Once a second: collects, and tells whoever watches.
    pub async fn tick(&self) {
        self.collect().await;
        if let Some(metrics) = &self.metrics {
            self.live.tell(&metrics.make_point());
        }
    }

    /// Drains the engine away from this thread; requests that come meanwhile are answered 503.
    pub async fn drain(&self, deadline: std::time::Duration) -> Option<DrainReport> {
        // The lock waits for requests that are using the engine.
        let engine = self.engine.write().await.take()?;
        tokio::task::spawn_blocking(move || engine.drain(deadline)).await.ok()
    }
}

/// The control port. With keys, all but health, readiness and the live page itself ask for one.
pub fn control_router(control: Arc<Control>, keys: ApiKeys) -> Router {
    let requests = control.metrics.as_ref().map(|metrics| metrics.requests().clone());
    let of_a_service = Router::new()
        .route("/publish", post(publish::publish))
        .route("/publish/raw", post(publish::publish_raw))
        .route("/disconnect", post(expel::disconnect))
        .route("/unsubscribe", post(expel::unsubscribe))
        .route("/channels", get(channels::list))
        .route(
            "/channels/{channel}/status",
            get(status::get).put(status::put).delete(status::delete),
        );
    let guarded = Router::new()
        .nest("/v1/services/{service}", of_a_service.clone())
        .nest("/v1", of_a_service)
        .route("/debug/latency", get(debug::latency))
        .route("/debug/live", get(live::data))
        .layer(DefaultBodyLimit::max(MAX_PUBLISH_BODY));
    let open = Router::new()
        .route("/v1/openapi.json", get(openapi::document))
        .route("/", get(live::page))
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
        let text = format!("The canary of shard {shard} cannot connect, or hears nothing.");
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
