//! What a server knows beside its engine, and its successor goes on with: what it has counted,
//! which messages it has published already, and which tokens are revoked.

use std::time::Instant;

use uringcast_engine::ServiceId;
use uringcast_engine::handover::{Blob, SecretBytes};

use crate::certs::TicketKeys;
use crate::cluster::STREAMS;
use crate::http::Control;

const METRICS: &str = "server.metrics";
const REPEATS: &str = "server.repeats";
const REVOCATIONS: &str = "server.revocations";
/// Before the number of a service.
const TICKETS: &str = "server.tickets.";

/// What this server knows.
pub(super) fn pack(control: &Control) -> Vec<Blob> {
    let metrics = control.metrics.as_ref().map(|metrics| blob(METRICS, metrics.to_carry()));
    let repeats = blob(REPEATS, control.idempotency.lines(Instant::now()));
    let revocations = blob(REVOCATIONS, control.revocations.lines());
    let tickets = control.tickets.iter().map(|(service, keys)| Blob {
        name: format!("{TICKETS}{}", service.0),
        version: 1,
        // Without them clients make full handshakes.
        is_required: false,
        bytes: keys.to_bytes(),
    });
    metrics.into_iter().chain([repeats, revocations]).chain(tickets).collect()
}

/// Goes on with what the server before has known.
///
/// # Errors
/// What is not understood: nothing may be forgotten.
pub(crate) fn unpack(blobs: &[Blob], control: &Control) -> Result<(), String> {
    for Blob { name, bytes, is_required, .. } in blobs {
        let bytes = bytes.expose();
        if let Some(service) = name.strip_prefix(TICKETS) {
            let keys = |(id, _): &&(ServiceId, TicketKeys)| id.0.to_string() == service;
            if let Some((_, keys)) = control.tickets.iter().find(keys) {
                keys.take_over(bytes, Instant::now())?;
            }
            continue;
        }
        match (name.as_str(), &control.metrics) {
            (METRICS, Some(metrics)) => metrics.carry(bytes).map_err(|error| error.to_string())?,
            // Nothing is counted here.
            (METRICS, None) => {}
            (REPEATS, _) => control.idempotency.take_over(bytes, Instant::now())?,
            (REVOCATIONS, _) => control.revocations.take_over(bytes)?,
            // The node reads it.
            (STREAMS, _) => {}
            _ if !is_required => {}
            (other, _) => return Err(format!("a part {other:?} of the state is not known")),
        }
    }
    Ok(())
}

fn blob(name: &str, bytes: Vec<u8>) -> Blob {
    let bytes = SecretBytes::new(bytes);
    Blob { name: name.to_owned(), version: 1, is_required: true, bytes }
}
