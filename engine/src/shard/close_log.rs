//! The log line of a close that is the peer's fault.

use crate::broker::{CloseReport, Exceeded};

pub(super) fn log_close(report: &CloseReport) {
    let CloseReport { connection_id, peer, code, reason, exceeded, behind } = report;
    match exceeded {
        None => {
            tracing::info!(%connection_id, %peer, code, reason, "closing connection");
        }
        Some(Exceeded { name, limit, value }) => tracing::info!(
            %connection_id, %peer, code, reason, limit_name = name, limit, value, behind,
            "closing connection over a limit"
        ),
    }
}
