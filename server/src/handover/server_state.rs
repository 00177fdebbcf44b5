//! What a server knows beside its engine, and its successor goes on with: what it has counted,
//! which messages it has published already, and which tokens are revoked.

use std::time::Instant;

use uringcast_engine::handover::{Blob, SecretBytes};

use crate::http::Control;

const METRICS: &str = "server.metrics";
const REPEATS: &str = "server.repeats";
const REVOCATIONS: &str = "server.revocations";

/// What this server knows.
pub(super) fn pack(control: &Control) -> Vec<Blob> {
    let metrics = control.metrics.as_ref().map(|metrics| blob(METRICS, metrics.to_carry()));
    let repeats = blob(REPEATS, control.idempotency.lines(Instant::now()));
    let revocations = blob(REVOCATIONS, control.revocations.lines());
    metrics.into_iter().chain([repeats, revocations]).collect()
}

/// Goes on with what the server before has known.
///
/// # Errors
/// What is not understood: nothing may be forgotten.
pub(crate) fn unpack(blobs: &[Blob], control: &Control) -> Result<(), String> {
    for Blob { name, bytes, .. } in blobs {
        let bytes = bytes.expose();
        match (name.as_str(), &control.metrics) {
            (METRICS, Some(metrics)) => metrics.carry(bytes).map_err(|error| error.to_string())?,
            // Nothing is counted here.
            (METRICS, None) => {}
            (REPEATS, _) => control.idempotency.take_over(bytes, Instant::now())?,
            (REVOCATIONS, _) => control.revocations.take_over(bytes)?,
            (other, _) => return Err(format!("a part {other:?} of the state is not known")),
        }
    }
    Ok(())
}

fn blob(name: &str, bytes: Vec<u8>) -> Blob {
    let bytes = SecretBytes::new(bytes);
    Blob { name: name.to_owned(), version: 1, is_required: true, bytes }
}
