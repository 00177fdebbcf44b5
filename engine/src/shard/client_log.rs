//! The log line of a close that is not the client's wish, of a token that is refused, and of a
//! client that is too slow for all messages.

use crate::broker::{ClientReport, Exceeded};
use crate::config::Config;

pub(super) fn log_report(report: &ClientReport, config: &Config) {
    let ClientReport { connection_id, peer, exceeded, behind, .. } = report;
    let service = config.log_name(report.service);
    let (user, cause) = (report.user.as_deref(), report.cause.as_deref());
    let certificate = report.certificate.as_deref();
    let channel = report.channel.as_ref().map(|channel| channel.as_str());
    if let Some(policy) = report.skips {
        let (limit_name, limit) = exceeded.map_or(("", 0), |over| (over.name, over.limit));
        let value = exceeded.and_then(|over| over.value);
        return tracing::info!(
            service, %connection_id, %peer, user, certificate, policy, limit_name, limit, value,
            channel, behind, "passing over messages of a slow client"
        );
    }
    match (report.close, exceeded) {
        (None, _) => tracing::info!(
            service, %connection_id, %peer, user, certificate, cause, "token refused"
        ),
        (Some((code, reason)), None) => tracing::info!(
            service, %connection_id, %peer, user, certificate, code, reason, cause,
            "closing connection"
        ),
        (Some((code, reason)), Some(Exceeded { name, limit, value })) => tracing::info!(
            service, %connection_id, %peer, user, certificate, code, reason, limit_name = name,
            limit, value, channel, behind, "closing connection over a limit"
        ),
    }
}
