//! Reading a channel's log by request.

use super::*;
use crate::broker::log_page::{HistoryPosition, HistoryRange};
use crate::config::Retention;
use crate::telemetry::Count;
use crate::types::{ChannelName, Epoch, EventName, JsonObject, Publication, Seq};
use crate::wire::reply::NotRecovered;

const EPOCH: Epoch = Epoch(7);

fn hub(published: u64, kept: usize) -> (Hub, ChannelName) {
    let retention = Retention { frames: kept, ..Config::default().retention };
    let config = Config { retention, ..Config::default() };
    let mut hub = Hub::new(Arc::new(config), ShardId(0), 1, 1, 1).with_epoch(EPOCH);
    let channel = ChannelName::parse("orders:7").unwrap();
    for n in 1..=published {
        let data = JsonObject::parse(format!("{{\"n\":{n}}}").as_bytes()).unwrap();
        let (event, channel) = (EventName::parse("e").unwrap(), channel.clone());
        hub.publish(&Publication { channel, event, data, key: None }).unwrap();
        hub.poll_transmit(&mut Wire::default(), &mut Alone);
    }
    (hub, channel)
}

fn range(since: Option<u64>, limit: usize, reverse: bool) -> HistoryRange {
    let since = since.map(|seq| HistoryPosition { epoch: Some(EPOCH), seq: Seq(seq) });
    HistoryRange { since, limit, bytes: usize::MAX, reverse }
}

#[test]
fn every_range_of_a_log_is_what_a_plain_look_at_it_gives() {
    for (published, kept) in [(0, 5), (3, 5), (12, 5)] {
        let (mut hub, channel) = hub(published, kept);
        let first = published.saturating_sub(kept as u64) + 1;
        let held = || first..=published;
        for reverse in [false, true] {
            for limit in [1, 2, 5, 100] {
                for since in (0..15).map(Some).chain([None, Some(u64::MAX)]) {
                    let page = hub.read_log(&channel, &range(since, limit, reverse));
                    let all: Vec<u64> = match (reverse, since) {
                        (false, since) => {
                            held().filter(|seq| since.is_none_or(|s| *seq > s)).collect()
                        }
                        (true, since) => {
                            held().rev().filter(|seq| since.is_none_or(|s| *seq < s)).collect()
                        }
                    };
                    let answer = page.answer(&channel, usize::MAX);
                    let seqs: Vec<u64> = answer.messages.iter().map(|m| m.seq.0).collect();
                    let case = format!("{published} {kept} {reverse} {limit} {since:?}");
                    assert_eq!(seqs, all[..all.len().min(limit)], "{case}");
                    assert_eq!(answer.more, all.len() > limit, "{case}");
                    for message in &answer.messages {
                        assert_eq!(
                            message.data.unwrap().get(),
                            format!("{{\"n\":{}}}", message.seq)
                        );
                    }
                    let why = match since {
                        Some(since) if since > published => Some(NotRecovered::Ahead),
                        Some(since) if !reverse && since + 1 < first => {
                            Some(NotRecovered::Retention)
                        }
                        _ => None,
                    };
                    assert_eq!(answer.reason, why, "{case}");
                    let oldest = (published > 0).then_some(Seq(first));
                    assert_eq!((answer.oldest, answer.newest), (oldest, Seq(published)));
                }
            }
        }
    }
}

#[test]
fn a_position_of_another_epoch_is_told_and_the_log_read_from_its_end() {
    let (mut hub, channel) = hub(3, 5);
    let of = |epoch| Some(HistoryPosition { epoch, seq: Seq(2) });
    let mut ask = |since, reverse| {
        let page = hub.read_log(&channel, &HistoryRange { since, ..range(None, 1, reverse) });
        let answer = page.answer(&channel, 0);
        assert_eq!(answer.messages[0].bytes, Some(7), "too large, and told");
        (answer.messages[0].seq.0, answer.reason)
    };
    let restart = Some(NotRecovered::Restart);
    assert_eq!(ask(of(Some(Epoch(8))), false), (1, restart));
    assert_eq!(ask(of(Some(Epoch(8))), true), (3, restart));
    assert_eq!(ask(of(None), false), (3, None), "the present one");
}

#[test]
fn an_answer_is_bounded_in_bytes_has_one_message_at_least_and_is_counted() {
    let (mut hub, channel) = hub(5, 5);
    let ask = |hub: &mut Hub, bytes| {
        let page = hub.read_log(&channel, &HistoryRange { bytes, ..range(None, 100, false) });
        (page.len(), page.more)
    };
    assert_eq!(ask(&mut hub, 0), (1, true));
    let size = hub.log(&channel).unwrap().bytes() / 5;
    assert_eq!(ask(&mut hub, 3 * size + 1), (3, true));
    assert_eq!(ask(&mut hub, 5 * size), (5, false));
    let mut totals = Totals::new(1, 1);
    totals.absorb(&hub.recorder().swap(None));
    assert_eq!(totals.count(Count::HistoryReads), 3);
    assert_eq!(totals.count(Count::HistoryMessages), 9);
}
