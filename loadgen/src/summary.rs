//! What a run amounts to: the report from all publishers' and subscribers' counts.

use crate::config::Config;
use crate::publisher::Published;
use crate::recorder::{Collector, Counts, add_counts, histogram};
use crate::report::Report;

/// Deliveries that must come, by channel: accepted or unanswered messages times subscribers.
pub(crate) fn expected(config: &Config, published: &[Published]) -> Vec<u64> {
    let channels = u64::from(config.schedule.channels);
    let connections = u64::from(config.args.connections);
    let per_channel = (0..channels).map(|channel| {
        // Round-robin: the first few channels have one more.
        let subscribers = connections / channels + u64::from(channel < connections % channels);
        let messages = published.iter().map(|publisher| {
            let place = channel as usize;
            publisher.sent[place].saturating_sub(publisher.refused[place])
        });
        subscribers * messages.sum::<u64>()
    });
    per_channel.collect()
}

/// The report of a finished run, without CPU time and interruption. The first measured message was
/// intended at `measure_from`.
pub(crate) fn summarise(
    config: &Config,
    collector: &Collector,
    published: &[Published],
    measure_from: u64,
) -> Report {
    let total = &collector.total;
    let (mut lateness, mut publish_errors) = (histogram(), Counts::new());
    for publisher in published {
        lateness.add(&publisher.lateness).expect("all have the same bounds");
        add_counts(&mut publish_errors, &publisher.errors);
    }
    let sent: u64 = published.iter().flat_map(|publisher| &publisher.sent).sum();
    let ended = published.iter().map(|publisher| publisher.ended).max().unwrap_or_default();
    let since = |end: u64| end.saturating_sub(measure_from) as f64 / 1e9;
    // A constant schedule's last message is due one gap before the end, so not less than scheduled.
    let sending = since(ended).max(config.args.duration.as_secs_f64());
    let receiving = since(total.last_at).max(sending);
    let expected = expected(config, published);
    let loss = expected.iter().zip(&total.per_channel);
    Report {
        url: config.endpoint.url.clone(),
        connections: config.args.connections,
        channels: config.schedule.channels,
        publishers: config.schedule.publishers,
        payload_bytes: config.args.payload,
        duration_seconds: config.args.duration.as_secs_f64(),
        rate_asked: config.schedule.rate,
        rate_achieved: lateness.len() as f64 / sending,
        published: sent,
        refused: publish_errors.values().sum(),
        deliveries: total.deliveries,
        deliveries_per_second: total.latency.len() as f64 / receiving,
        loss: loss.map(|(expected, found)| expected.saturating_sub(*found)).sum(),
        duplicates: total.duplicates,
        reordered: total.reordered,
        misrouted: total.misrouted,
        disconnected: total.disconnected.values().sum(),
        latency: (&total.latency).into(),
        last: (&collector.last).into(),
        lateness: (&lateness).into(),
        publish_errors,
        notices: total.notices.clone(),
        disconnect_reasons: total.disconnected.clone(),
        ..Report::default()
    }
}
