//! `POST /v1/tokens/revoke`.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use serde_json::{Value, json};
use uringcast_engine::{AuthMode, ClientAction, Target};

use super::disconnect::send;
use super::error::ApiError;
use super::other_nodes::Others;
use super::revocation_body;
use super::selected_service::SelectedService;
use crate::auth::revocations::{RevokeError, now};
use crate::log::AUDIT;

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
    let revocation = revocation_body::parse(body, now())?;
    let until = revocation.until;
    let (control, id) = (Arc::clone(&selected.control), selected.id);
    let meant = control.revocations.meant(&revocation);
    let passage = control.pass().await?;
    // The disk may be slow.
    let (revocations, new) = (Arc::clone(&control.revocations), revocation.clone());
    let kept = tokio::task::spawn_blocking(move || revocations.revoke(id, &new)).await;
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
    let count = send(&selected, Target::Tokens(meant), ClientAction::Disconnect).await;
    let others = match &control.others {
        Some(others) => others.revoke(id, &revocation).await,
        None => Others::None,
    };
    kept.map_err(|error| not_saved(&error))?;
    others.answer(("disconnected", count?.into()), json!({ "expires_at": until }))
}

fn not_saved(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!("a revocation was not saved: {error}");
    let text = "The tokens are revoked until the server stops: revocations_file cannot be written.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "not_saved", text)
}
