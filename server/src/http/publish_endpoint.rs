//! The answers to plain publish requests, by the rules that the router's requests are under.

use std::sync::Arc;

use axum::http::Method;

use super::api_key_guard::{ApiKeyGuard, Caller};
use super::control::Control;
use super::error::ApiError;
use super::places::Place;
use super::plain_request::PlainRequest;
use super::publish::{Head, publish_body};
use super::published::Published;
use super::selected_service::SelectedService;
use crate::auth::ApiKeys;

/// The control port's, beside its router.
#[derive(Debug)]
pub struct PublishEndpoint {
    control: Arc<Control>,
    guard: ApiKeyGuard,
}

impl PublishEndpoint {
    /// The one of a port with these keys.
    pub fn new(control: Arc<Control>, keys: ApiKeys) -> PublishEndpoint {
        PublishEndpoint { guard: ApiKeyGuard::new(&control, keys), control }
    }

    /// Answers a request, and counts it.
    pub(super) async fn answer(
        &self,
        request: &PlainRequest<'_>,
        place: &Place,
    ) -> Result<Published, ApiError> {
        let caller = self.guard.caller(&request.headers);
        let PlainRequest { path, headers, .. } = request;
        let admitted = self.guard.admit(&caller, &Method::POST, path, headers);
        let answer = match admitted.and_then(|()| place.admit(caller.name())) {
            Ok(()) => self.publish(request, &caller).await,
            Err(error) => Err(error),
        };
        let status = answer.as_ref().map_or_else(ApiError::status, |_| Published::STATUS);
        self.guard.count(&caller, status);
        answer
    }

    async fn publish(
        &self,
        request: &PlainRequest<'_>,
        caller: &Caller,
    ) -> Result<Published, ApiError> {
        let selected = SelectedService::new(&self.control, request.service, caller.clone())?;
        let PlainRequest { query, headers, form, body, .. } = request;
        let head = Head::read(&selected, *form, *query, headers.idempotency_key)?;
        publish_body(&selected, head, body).await
    }
}
