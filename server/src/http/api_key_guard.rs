//! Checks the API key of each request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uringcast_engine::ChannelName;

use super::control::Control;
use super::csrf;
use super::error::ApiError;
use super::places::Place;
use super::rule_headers::RuleHeaders;
use crate::auth::ApiKeys;
use crate::metrics::Requests;
use crate::settings::value::{ApiKey, Right};

/// The rules that requests of the control port are under, on both ways to publish.
#[derive(Clone, Debug)]
pub(super) struct ApiKeyGuard {
    pub(super) keys: ApiKeys,
    /// Requests by the name of their key and the answer's status.
    pub(super) requests: Option<Requests>,
}

/// The key a request carried, where there are any.
#[derive(Clone, Debug)]
pub(super) struct Caller(Option<Arc<ApiKey>>);

/// Accepts a request that carries a valid key, if keys are configured, and that no other site's
/// page sent.
pub(super) async fn check(
    State(guard): State<ApiKeyGuard>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = RuleHeaders::of(request.headers());
    let caller = guard.caller(&headers);
    let admitted = guard.admit(&caller, request.method(), request.uri().path(), &headers);
    // A test may call without a connection.
    let place = request.extensions().get::<Arc<Place>>();
    let entered = admitted.and_then(|()| place.map_or(Ok(()), |place| place.admit(caller.name())));
    let response = match entered {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    guard.count(&caller, response.status());
    response
}

/// A header that decides about a request and is given twice: a proxy might have read the other one.
fn repeated(headers: &RuleHeaders<'_>) -> Option<&'static str> {
    let RuleHeaders { authorization, api_key, content_type, .. } = headers;
    let all =
        [("authorization", authorization), ("x-api-key", api_key), ("content-type", content_type)];
    all.into_iter().find(|(_, given)| given.is_repeated()).map(|(name, _)| name)
}

impl ApiKeyGuard {
    /// Demands one of these keys, and counts where there are metrics.
    pub(super) fn new(control: &Control, keys: ApiKeys) -> ApiKeyGuard {
        let requests = control.metrics.as_ref().map(|metrics| metrics.requests.clone());
        ApiKeyGuard { keys, requests }
    }

    /// The caller of a request, as far as its key says.
    pub(super) fn caller(&self, headers: &RuleHeaders<'_>) -> Caller {
        Caller(presented_key(headers, &self.keys))
    }

    /// Whether the caller may send requests at all, and this one's body is JSON.
    ///
    /// # Errors
    /// 400 for two keys, 403 for the page of another site and for a key without the right, 401
    /// without a key where there are keys, 415 for a body that is called something else.
    pub(super) fn admit(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        headers: &RuleHeaders<'_>,
    ) -> Result<(), ApiError> {
        if let Some(header) = repeated(headers) {
            let text = format!("the header {header} is given more than once");
            return Err(ApiError::bad_request(text));
        }
        let same_origin = csrf::is_same_origin(headers, !self.keys.is_empty());
        if !same_origin || !csrf::is_same_site(method, headers) {
            return Err(csrf::refusal());
        }
        if caller.0.is_none() && !self.keys.is_empty() {
            let text = "Send the API key as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", text));
        }
        caller.may(Right::needed(method, path))?;
        match csrf::is_json(method, headers) {
            true => Ok(()),
            false => Err(csrf::no_json()),
        }
    }

    /// Counts an answer.
    pub(super) fn count(&self, caller: &Caller, status: StatusCode) {
        if let Some(requests) = &self.requests {
            requests.count(caller.name(), status.as_str());
        }
    }
}

fn presented_key(headers: &RuleHeaders<'_>, keys: &ApiKeys) -> Option<Arc<ApiKey>> {
    let bearer = headers.authorization.text().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
    });
    let own = headers.api_key.bytes();
    // Both headers are compared, whatever the first gives.
    let [bearer, own] = [bearer, own].map(|shown| shown.and_then(|shown| keys.find(shown)));
    bearer.or(own)
}

impl Caller {
    /// The caller of a guarded request.
    ///
    /// # Panics
    /// On a route without [`ApiKeyGuard`], which is a bug.
    pub(super) fn of(parts: &Parts) -> &Caller {
        parts.extensions.get().expect("the guard adds a caller to every request it lets pass")
    }

    /// The name of its key for a line of the log; `None` without one.
    pub(super) fn logged_name(&self) -> Option<&str> {
        self.0.as_ref().map(|key| &*key.name)
    }

    /// The name of its key; empty without one.
    pub(super) fn name(&self) -> &str {
        self.0.as_ref().map_or("", |key| &key.name)
    }

    /// Whether the caller may send requests of this kind.
    ///
    /// # Errors
    /// 403 naming the right.
    pub(super) fn may(&self, right: Right) -> Result<(), ApiError> {
        let Some(key) = self.0.as_ref().filter(|key| !key.grants(right)) else { return Ok(()) };
        let text = format!("The key {} has not the right to {}.", key.name, right.word());
        Err(ApiError::forbidden(text))
    }

    /// Whether the caller may publish to all of these channels of a service.
    ///
    /// # Errors
    /// 403 naming the first channel it may not.
    pub(super) fn may_publish<'a>(
        &self,
        service: &str,
        mut channels: impl Iterator<Item = &'a ChannelName>,
    ) -> Result<(), ApiError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let foreign = channels.find(|channel| !key.covers(channel.as_str()));
        let Some(channel) = foreign else { return Ok(()) };
        let name = &key.name;
        tracing::info!(service, key = %name, "a key is not for the channel it was used for");
        Err(ApiError::forbidden(format!("The key {} is not for the channel {channel}.", key.name)))
    }

    /// Whether the caller may see and do what is not about single channels of a service.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may_see_all(&self) -> Result<(), ApiError> {
        let Some(key) = self.0.as_ref().filter(|key| !key.covers_all()) else { return Ok(()) };
        Err(ApiError::forbidden(format!("The key {} is for some channels only.", key.name)))
    }

    /// Whether the caller may see what is about all services.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may_see_all_services(&self) -> Result<(), ApiError> {
        self.may_use(None)?;
        self.may_see_all()
    }

    /// Whether the caller's key is for a service; with `None`: for all of them.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may_use(&self, service: Option<&str>) -> Result<(), ApiError> {
        match self.0.as_deref() {
            Some(ApiKey { name, service: Some(own), .. }) if service != Some(&**own) => {
                let text = format!("The key {name} is for the service {own} only.");
                Err(ApiError::forbidden(text))
            }
            _ => Ok(()),
        }
    }
}
