//! What a run amounts to: the summary of all publishers' and subscribers' counts.

use std::time::Duration;

use crate::config::Config;
use crate::publisher::Published;
use crate::recorder::{Collector, Counts, add_counts, histogram};
use crate::summary::{Checks, Figures, Summary};

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

/// What a finished run measured, without CPU time and interruption. The first measured message
/// was intended at `measure_from`.
pub(crate) fn summarise(
    config: &Config,
    collector: &Collector,
    published: &[Published],
    measure_from: u64,
) -> Summary {
    let total = &collector.total;
    let (mut lateness, mut publish_errors) = (histogram(), Counts::new());
    for publisher in published {
        lateness.add(&publisher.lateness).expect("all have the same bounds");
        add_counts(&mut publish_errors, &publisher.errors);
    }
    let ended = published.iter().map(|publisher| publisher.ended).max().unwrap_or_default();
    let since = |end: u64| end.saturating_sub(measure_from) as f64 / 1e9;
    // A constant schedule's last message is due one gap before the end, so not less than scheduled.
    let sending = since(ended).max(config.args.duration.as_secs_f64());
    let receiving = since(total.last_at).max(sending);
    let expected = expected(config, published);
    let lost = expected.iter().zip(&total.per_channel);
    let checks = Checks {
        lost: lost.map(|(expected, found)| expected.saturating_sub(*found)).sum(),
        duplicates: total.duplicates,
        reordered: total.reordered,
        misrouted: total.misrouted,
        ..Checks::default()
    };
    let figures = Figures {
        duration: config.args.duration,
        rate_asked: config.schedule.rate,
        rate_achieved: lateness.len() as f64 / sending,
        published: published.iter().flat_map(|publisher| &publisher.sent).sum(),
        refused: publish_errors.values().sum(),
        deliveries: total.deliveries,
        deliveries_per_second: total.latency.len() as f64 / receiving,
        checks,
        disconnected: total.disconnected.values().sum(),
        delivery: total.latency.clone(),
        last: collector.last.clone(),
        lateness,
        ..Figures::default()
    };
    Summary {
        url: config.endpoint.url.clone(),
        scenario: "steady".into(),
        connections: config.args.connections,
        channels: config.schedule.channels,
        publishers: config.schedule.publishers,
        payload_bytes: config.args.payload,
        seed: config.schedule.seed,
        total: figures,
        slice_length: Duration::from_secs(1),
        publish_errors,
        notices: total.notices.clone(),
        disconnect_reasons: total.disconnected.clone(),
        ..Summary::default()
    }
}
