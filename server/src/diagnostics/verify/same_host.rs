//! What can be seen on the server's own machine, or in its metrics.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use uringcast_engine::preflight;

use super::Verifier;
use super::metrics_probe::MetricsPage;
use crate::diagnostics::check_report::{Outcome, failure, note, warn};
use crate::diagnostics::doctor::too_few_files;

/// The share of a limit beyond which it is time to raise it, in percent.
const NEAR: f64 = 80.0;

/// Which users may read the private key.
pub(super) fn key_file(path: Option<&Path>) -> Outcome {
    let Some(path) = path else {
        return note("not given", "Give --key-file to check who may read the private key.");
    };
    let shown = path.display();
    let meta = std::fs::metadata(path)
        .map_err(|error| failure(format!("{shown}: {error}"), "Name the server's key-file."))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(format!("{shown} has mode {mode:04o}"));
    }
    let found = format!("{shown} has mode {mode:04o}: others may read or change it");
    warn(found, format!("chmod 600 {shown}"))
}

/// Open files and connections against what there may be.
pub(super) fn limits(verifier: &Verifier, page: Option<&MetricsPage>) -> Outcome {
    let sum = |name: &str| page.and_then(|page| page.sum(name));
    let (Some(open), Some(most)) = (sum("process_open_fds"), sum("process_max_fds")) else {
        return note("not checked: only the server's metrics have them", "See metrics.");
    };
    let shards = page.map_or(1, |page| page.shards().max(1));
    let wanted = verifier.options.max_connections as usize;
    let active = sum("websocket_connections_active").unwrap_or_default();
    let slots = sum("uringcast_connection_slots").unwrap_or(f64::INFINITY);
    let found = format!(
        "{open} of {most} open files; {active} connections, {slots} slots on {shards} shards"
    );
    let (least, enough) = preflight::open_files(wanted, shards);
    if let Some(need) = too_few_files(most as u64, least, enough) {
        return warn(
            format!("{found}; {wanted} connections need {need} open files"),
            format!("LimitNOFILE={enough} in the unit's [Service], or ulimit -Hn {enough}."),
        );
    }
    if slots < wanted as f64 {
        return warn(
            format!("{found}; {wanted} connections are more than there are slots"),
            "Raise the server's max-connections, or give the --max-connections it has.",
        );
    }
    if 100.0 * open > NEAR * most {
        return warn(found, "Raise LimitNOFILE= before it is reached.");
    }
    if 100.0 * active > NEAR * wanted as f64 {
        return warn(found, "Raise max-connections before it is reached.");
    }
    Ok(found)
}
