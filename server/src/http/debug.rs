//! `GET /debug/latency`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::api_key_guard::Caller;
use super::control::Control;
use super::error::ApiError;
use crate::metrics::{Format, LatencyQuery};

pub(super) async fn latency(
    State(control): State<Arc<Control>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<LatencyQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    // Its classes are those of all channels.
    caller.may_see_all_services()?;
    let Query(query) = query?;
    if let Some(fault) = query.fault() {
        return Err(ApiError::bad_request(fault));
    }
    control.collect().await;
    let missing = |what: String| ApiError::not_found("not_found", what);
    let metrics = control.metrics.as_ref().ok_or_else(|| missing("Metrics are off.".into()))?;
    let text = metrics.latencies(&query).map_err(missing)?;
    let media = match query.format {
        Format::Json => "application/json",
        Format::Hgrm | Format::Hlog => "text/plain; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, media)], text).into_response())
}
