//! What a run amounts to: the summary of all publishers' and subscribers' counts.

use std::time::Duration;

use crate::collector::{Collector, PhaseTotals};
use crate::config::Config;
use crate::figures::Figures;
use crate::phase::Phase;
use crate::publish_tally::Published;
use crate::summary::{ChannelChecks, PhaseFigures, Summary};
use crate::tally::{Counts, add_counts, histogram};

/// Deliveries that must come: accepted or unanswered messages times subscribers.
pub(crate) fn expected(config: &Config, published: &[Published]) -> u64 {
    let mut subscribers = vec![0u64; config.plan.rooms.channels as usize];
    let timed = |client: &u32| config.plan.slowness(*client).is_none();
    for client in (0..config.plan.connections).filter(timed) {
        config.channels(client).iter().for_each(|channel| subscribers[channel.index()] += 1);
    }
    let of = |source: &Published| {
        let messages = (0..source.sent).map(|sequence| config.message(source.source, sequence));
        let due = messages.filter(|message| !source.refused.contains(message));
        due.map(|(_, channel, _)| subscribers[channel.index()]).sum::<u64>()
    };
    published.iter().map(of).sum()
}

/// What a finished run measured, without CPU time and interruption.
pub(crate) fn summarise(
    config: &Config,
    collector: &Collector,
    published: &[Published],
) -> Summary {
    let (plan, timeline) = (&config.plan, config.plan.timeline());
    let mut publish_errors = Counts::new();
    published.iter().for_each(|source| add_counts(&mut publish_errors, &source.errors));
    let phases = timeline.phases().iter().enumerate().map(|(at, phase)| PhaseFigures {
        name: phase.name.clone(),
        begins: Duration::from_nanos(timeline.begin(at)),
        measured: phase.measured,
        figures: phase_figures(at, phase, collector, published),
    });
    let phases: Vec<_> = phases.collect();
    let mut slices = collector.slices.clone();
    for (place, slice) in slices.iter_mut().enumerate() {
        slice.published = published.iter().map(|source| source.by_slice[place]).sum();
    }
    let by_channel = collector.channels.iter().map(|(channel, of)| ChannelChecks {
        channel: config.name(*channel),
        deliveries: of.deliveries,
        checks: of.checks,
    });
    let total = in_all(&phases, collector, published);
    Summary {
        url: config.endpoint.url.clone(),
        scenario: plan.scenario.to_string(),
        connections: plan.connections,
        channels: plan.rooms.channels,
        publishers: plan.publishers,
        payload_bytes: plan.payload,
        seed: plan.schedule.seed,
        total,
        phases,
        slices,
        slice_length: Duration::from_nanos(timeline.slice_length()),
        by_channel: by_channel.collect(),
        publish_errors,
        notices: collector.total.notices.clone(),
        disconnect_reasons: collector.total.disconnected.clone(),
        ..Summary::default()
    }
}

fn phase_figures(
    place: usize,
    phase: &Phase,
    collector: &Collector,
    published: &[Published],
) -> Figures {
    let PhaseTotals { delivery, first, median, last, inflating, .. } = &collector.phases[place];
    let PhaseTotals { deliveries, recovered, disconnected, checks, .. } = collector.phases[place];
    let (mut lateness, mut own_lateness) = (histogram(), histogram());
    for source in published {
        lateness.add(&*source.lateness[place]).expect("all have the same bounds");
        own_lateness.add(&*source.own_lateness[place]).expect("all have the same bounds");
    }
    let mut figures = Figures {
        duration: phase.length,
        rate_asked: phase.mean_rate(),
        published: lateness.len(),
        refused: published.iter().map(|source| source.refused_by_phase[place]).sum(),
        deliveries,
        recovered,
        disconnected,
        checks,
        delivery: delivery.clone(),
        first: first.clone(),
        median: median.clone(),
        last: last.clone(),
        inflating: inflating.clone(),
        lateness,
        own_lateness,
        ..Figures::default()
    };
    let seconds = phase.length.as_secs_f64();
    figures.rate_achieved = figures.published as f64 / seconds;
    figures.deliveries_per_second = deliveries as f64 / seconds;
    for sample in &collector.handshakes {
        let at = sample.begun.checked_sub(collector.start);
        if at.is_some_and(|at| collector.phase_at(at) == place) {
            figures.handshakes.record(sample);
        }
    }
    figures
}

/// The phases together: all counts, and the histograms of those that are measured.
fn in_all(phases: &[PhaseFigures], collector: &Collector, published: &[Published]) -> Figures {
    let mut total = Figures::default();
    let (mut due, mut begins) = (0.0, None);
    for phase in phases {
        let figures = &phase.figures;
        total.published += figures.published;
        total.refused += figures.refused;
        total.disconnected += figures.disconnected;
        total.deliveries += figures.deliveries;
        total.recovered += figures.recovered;
        total.checks.add(&figures.checks);
        if !phase.measured {
            continue;
        }
        begins = begins.or(Some(collector.start + phase.begins.as_nanos() as u64));
        total.duration += figures.duration;
        due += figures.rate_asked * figures.duration.as_secs_f64();
        let pairs = [
            (&mut total.delivery, &figures.delivery),
            (&mut total.first, &figures.first),
            (&mut total.median, &figures.median),
            (&mut total.last, &figures.last),
            (&mut total.lateness, &figures.lateness),
            (&mut total.own_lateness, &figures.own_lateness),
            (&mut total.inflating, &figures.inflating),
        ];
        for (sum, more) in pairs {
            sum.add(more).expect("all have the same bounds");
        }
    }
    collector.handshakes.iter().for_each(|sample| total.handshakes.record(sample));
    let ended = published.iter().map(|source| source.ended).max().unwrap_or_default();
    let since = |end: u64| end.saturating_sub(begins.unwrap_or(end)) as f64 / 1e9;
    // A constant schedule's last message is due one gap before the end, so not less than scheduled.
    let sending = since(ended).max(total.duration.as_secs_f64());
    let receiving = since(collector.total.last_at).max(sending);
    let measured = |figures: &Figures| figures.deliveries - figures.recovered;
    let received = phases.iter().filter(|phase| phase.measured).map(|p| measured(&p.figures));
    total.rate_asked = due / total.duration.as_secs_f64();
    total.rate_achieved = total.lateness.len() as f64 / sending;
    total.deliveries_per_second = received.sum::<u64>() as f64 / receiving;
    total
}
