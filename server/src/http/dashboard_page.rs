//! `GET /`, the live page, and `GET /debug/live`, what it shows as JSON.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::api_key_guard::Caller;
use super::control::Control;
use super::error::ApiError;
use crate::dashboard::Dashboard;
use crate::metrics::Metrics;
use crate::settings::value::Right;

/// How the browser called this server.
fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1")
}

pub(super) async fn page(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, control.dashboard.policy(host(&headers))),
        (header::CACHE_CONTROL, "no-cache".into()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::REFERRER_POLICY, "no-referrer".into()),
    ];
    (headers, Html(Dashboard::page())).into_response()
}

/// Where the services are, what happens now and what happened in the last minutes. Without metrics,
/// the services only.
pub(super) async fn data(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.may_see_all_services()?;
    let mut all = control.dashboard.describe(host(&headers));
    if let Some((now, history)) = control.metrics.as_ref().map(Metrics::dashboard) {
        all["now"] = now;
        all["history"] = history;
    } else {
        all["now"] = Value::Null;
    }
    all["may_manage"] = caller.may(Right::Manage).is_ok().into();
    let headers =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, axum::Json(all)).into_response())
}
