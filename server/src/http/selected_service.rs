//! The service that a request addresses.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use uringcast_engine::{Service, ServiceId};

use super::api_key_guard::Caller;
use super::control::Control;
use super::error::ApiError;

/// The service that the path names, or the only one there is; the caller's key is valid for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelectedService(pub(super) ServiceId);

impl FromRequestParts<Arc<Control>> for SelectedService {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<SelectedService, ApiError> {
        let selected = select(parts, control).await?;
        Caller::of(parts).may_use(Some(&control.service(selected).name))?;
        Ok(SelectedService(selected))
    }
}

/// The same, for a caller whose key is valid for all of its channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeService(pub(super) ServiceId);

impl FromRequestParts<Arc<Control>> for WholeService {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<WholeService, ApiError> {
        let SelectedService(selected) = SelectedService::from_request_parts(parts, control).await?;
        Caller::of(parts).may_see_all()?;
        Ok(WholeService(selected))
    }
}

async fn select(parts: &mut Parts, control: &Arc<Control>) -> Result<ServiceId, ApiError> {
    let services = &control.services;
    let params = match RawPathParams::from_request_parts(parts, control).await {
        Ok(params) => params,
        Err(RawPathParamsRejection::MissingPathParams(_)) => return only(services),
        // A name in the path that is no UTF-8; the text says which.
        Err(error) => return Err(ApiError::invalid(error)),
    };
    let Some((_, wanted)) = params.iter().find(|(key, _)| *key == "service") else {
        return only(services);
    };
    let place = services.iter().position(|service| service.name == wanted);
    let unknown = || ApiError::not_found("unknown_service", "There is no such service.");
    place.map(|place| ServiceId(place as u8)).ok_or_else(unknown)
}

fn only(services: &[Service]) -> Result<ServiceId, ApiError> {
    if services.len() == 1 {
        return Ok(ServiceId(0));
    }
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    Err(ApiError::bad_request(format!(
        "there are several services: ask below /v1/services/NAME, where NAME is one of {}",
        names.join(", ")
    )))
}
