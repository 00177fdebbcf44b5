//! `POST /v1/tokens/revoke`.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::{AuthMode, ClientAction, Target};

use super::disconnect::send;
use super::error::ApiError;
use super::present;
use super::selected_service::SelectedService;
use crate::auth::revocations::{Revocation, RevokeError, Subject, leeway, now};
use crate::limits::{DEFAULT_REVOCATION, MAX_REVOCATION, MAX_REVOKED_NAME};
use crate::log::AUDIT;

/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Which tokens, and how long that is remembered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct RevokeBody {
    #[serde(default, deserialize_with = "present")]
    user: Option<String>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "present")]
    issued_before: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    expires_in: Option<f64>,
}

pub(super) async fn revoke(
    selected: SelectedService,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    selected.all_channels()?;
    let body = selected.json(request).await?;
    if selected.control.services()[selected.id.index()].access.mode == AuthMode::Off {
        let text = "this service verifies no tokens: auth_enabled is off";
        return Err(ApiError::bad_request(text));
    }
    let revocation = parse(body)?;
    let until = revocation.until;
    let (control, id) = (Arc::clone(&selected.control), selected.id);
    let meant = control.revocations.meant(&revocation);
    let passage = control.pass().await?;
    // The disk may be slow.
    let kept = tokio::task::spawn_blocking(move || control.revocations.revoke(id, &revocation));
    let kept = kept.await;
    drop(passage);
    let kept = kept.map_err(|error| not_saved(&error))?;
    if let Err(RevokeError::Full) = &kept {
        let text = "There are as many revocations as are kept: this one is not in force. Give \
                    them an expires_in, or revoke by issued_before instead of one by one.";
        return Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "revocation_limit", text));
    }
    let key = selected.caller.logged_name();
    let (service, user) = (selected.control.name(selected.id), meant.user.as_deref());
    let (jti, issued_before) = (meant.token.is_some(), meant.issued_before);
    tracing::info!(
        target: AUDIT, key, service, user, jti, issued_before, until, "tokens revoked"
    );
    let count = send(&selected, Target::Tokens(meant), ClientAction::Disconnect).await?;
    kept.map_err(|error| not_saved(&error))?;
    Ok(Json(json!({ "disconnected": count, "expires_at": until })))
}

fn not_saved(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!("a revocation was not saved: {error}");
    let text = "The tokens are revoked until the server stops: revocations_file cannot be written.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "not_saved", text)
}

/// A whole number in a range. Writers of JSON may give one as `7.0`.
fn whole(name: &str, value: f64, least: i64, most: i64) -> Result<i64, ApiError> {
    let number = value as i64;
    let bad = || ApiError::bad_request(format!("{name} is a whole number, {least} to {most}"));
    let fits = value.fract() == 0.0 && (least..=most).contains(&number);
    fits.then_some(number).ok_or_else(bad)
}

fn parse(body: RevokeBody) -> Result<Revocation, ApiError> {
    let bad = |text: &str| Err(ApiError::bad_request(text));
    let now = now();
    let before = body.issued_before.map(|at| whole("issued_before", at, 0, LAST_SECOND));
    let (subject, issued_before) = match (body.jti, body.user, before.transpose()?) {
        (Some(jti), None, None) => (Subject::Jti(jti), None),
        (Some(_), _, _) => return bad("name a jti alone, or a user and issued_before"),
        // Tokens of this second too: which of them came before is not known.
        (None, Some(user), before) => (Subject::User(user), Some(before.unwrap_or(now + 1))),
        (None, None, Some(before)) => (Subject::All, Some(before)),
        (None, None, None) => return bad("name a user, a jti or issued_before"),
    };
    if let Subject::Jti(name) | Subject::User(name) = &subject
        && (name.is_empty() || name.chars().count() > MAX_REVOKED_NAME)
    {
        let text = format!("user and jti have 1 to {MAX_REVOKED_NAME} characters");
        return Err(ApiError::bad_request(text));
    }
    let most = MAX_REVOCATION.as_secs().cast_signed();
    let seconds = match body.expires_in {
        Some(seconds) => whole("expires_in", seconds, 1, most)?,
        None => DEFAULT_REVOCATION.as_secs().cast_signed(),
    };
    Ok(Revocation { subject, issued_before, until: now + seconds + leeway() })
}
