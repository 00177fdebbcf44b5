//! Which service a request is for.

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use uringcast_engine::{Publisher, ServiceId};

use super::api_key_guard::Caller;
use super::error::ApiError;
use super::publish::short;
use super::{Control, Publishing};

/// The service that the path names, or the only one there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelectedService(pub(super) ServiceId);

impl FromRequestParts<Arc<Control>> for SelectedService {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<SelectedService, ApiError> {
        let chosen = choose(parts, control).await?;
        // Here, since whatever is about a service asks for it.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            caller.may_use(Some(&control.publishing(chosen).name))?;
        }
        Ok(chosen)
    }
}

async fn choose(parts: &mut Parts, control: &Arc<Control>) -> Result<SelectedService, ApiError> {
    let unknown =
        || ApiError::new(StatusCode::NOT_FOUND, "unknown_service", "There is no such service.");
    let names: Vec<&str> = control.services.iter().map(|s| s.name.as_str()).collect();
    let params = match RawPathParams::from_request_parts(parts, control).await {
        Ok(params) => params,
        Err(RawPathParamsRejection::MissingPathParams(_)) => return only(&names),
        // A name in the path that is no UTF-8; the text says which.
        Err(error) => return Err(ApiError::bad_request(short(error.to_string()))),
    };
    match params.iter().find(|(key, _)| *key == "service") {
        Some((_, wanted)) => {
            let place = names.iter().position(|name| *name == wanted).ok_or_else(unknown)?;
            Ok(SelectedService(ServiceId(place as u8)))
        }
        None => only(&names),
    }
}

fn only(names: &[&str]) -> Result<SelectedService, ApiError> {
    match names {
        [_] => Ok(SelectedService(ServiceId(0))),
        _ => Err(ApiError::bad_request(format!(
            "there are several services: ask below /v1/services/NAME, where NAME is one of {}",
            names.join(", ")
        ))),
    }
}

impl Control {
    pub(super) fn publisher(&self, SelectedService(service): SelectedService) -> &Publisher {
        &self.publishers[service.index()]
    }

    pub(super) fn publishing(&self, SelectedService(service): SelectedService) -> &Publishing {
        &self.services[service.index()]
    }
}
