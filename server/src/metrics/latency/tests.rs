use std::io::Cursor;

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use uringcast_engine::telemetry::Recorder;
use uringcast_engine::{ChannelName, ShardId, Transport};

use super::*;
use crate::limits::LATENCY_WINDOW;

/// A thousand deliveries of 1 to 1,000 µs to one class, one of 5 ms to another.
fn measured() -> Accumulator {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let mut state = Accumulator::new(1, vec!["s".into()], Timestamp::now());
    let class = |name: &str| ChannelName::parse(name).unwrap();
    let (room, other) = (class("room:1"), class("a b,c:1"));
    let (room, other) = (recorder.class_of(&room), recorder.class_of(&other));
    (1..=1_000).for_each(|us| recorder.delivered(room, Transport::WebSocket, us * 1_000, 1, 10));
    recorder.delivered(other, Transport::WebSocket, 5_000_000, 1, 10);
    state.absorb(&recorder.swap(None));
    state
}

fn ask(query: &[(&str, &str)]) -> LatencyQuery {
    let object = query.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    serde_json::from_value(Value::Object(object)).unwrap()
}

fn one<'a>(answer: &'a Value, span: &str, kind: &str, channel: &str) -> &'a Value {
    let all = answer[span]["latencies"].as_array().unwrap();
    let of = |one: &&Value| one["kind"] == kind && one["channel"] == channel;
    all.iter().find(of).unwrap_or_else(|| panic!("no {kind} of {channel} in {answer}"))
}

fn near(value: &Value, wanted: f64) -> bool {
    (value.as_f64().unwrap() / wanted - 1.0).abs() < 0.01
}

#[test]
fn percentiles_are_seconds_and_within_one_per_cent() {
    let answer: Value = serde_json::from_str(&render(&measured(), &ask(&[])).unwrap()).unwrap();
    let room = one(&answer, "since_start", "delivery", "room");
    assert_eq!(room["count"], 1_000);
    for (name, wanted) in
        [("p50", 500e-6), ("p90", 900e-6), ("p99", 990e-6), ("p99_9", 999e-6), ("max", 1e-3)]
    {
        assert!(near(&room[name], wanted), "{name}: {}", room[name]);
    }
    assert!(near(&room["mean"], 500.5e-6), "{}", room["mean"]);
    assert!(near(&one(&answer, "last_interval", "delivery", "room")["p50"], 500e-6));
}

#[test]
fn the_last_interval_forgets_what_was_before() {
    let mut state = measured();
    let later =
        |n: u32| Timestamp { mono: state.started.mono + LATENCY_WINDOW * n, ..state.started };
    let (first, second) = (later(1), later(2));
    state.rotate_window(first);
    state.rotate_window(second);
    let answer: Value = serde_json::from_str(&render(&state, &ask(&[])).unwrap()).unwrap();
    assert_eq!(one(&answer, "since_start", "delivery", "room")["count"], 1_000);
    let last = answer["last_interval"]["latencies"].to_string();
    assert!(!last.contains("delivery"), "{last}");
}

#[test]
fn a_distribution_is_of_one_class_or_of_all() {
    let of = |query: &[(&str, &str)]| render(&measured(), &ask(query)).unwrap();
    let all = of(&[("format", "hgrm")]);
    assert!(all.contains("Total count    =         1001]"), "{all}");
    assert!(all.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
    let room = of(&[("format", "hgrm"), ("class", "room")]);
    let max = |text: &str| {
        let (_, rest) = text.split_once("#[Max     =").unwrap();
        rest.split(',').next().unwrap().trim().parse::<f64>().unwrap()
    };
    assert!((max(&room) / 1.0 - 1.0).abs() < 0.01 && (max(&all) / 5.0 - 1.0).abs() < 0.01);
    let median = room.lines().find(|line| line.contains(" 0.500000000000 ")).unwrap();
    let columns: Vec<&str> = median.split_whitespace().collect();
    assert!((columns[0].parse::<f64>().unwrap() / 0.5 - 1.0).abs() < 0.02, "{median}");
    assert_eq!(columns[3], "2.00");
    let last = room.lines().find(|line| line.contains(" 1.000000000000 ")).unwrap();
    assert_eq!(last.split_whitespace().count(), 3, "no division by zero: {last}");
    assert!(of(&[("format", "hgrm"), ("kind", "turn")]).contains("Total count    =            0]"));
}

#[test]
fn a_log_can_be_read_back() {
    let text = render(&measured(), &ask(&[("format", "hlog"), ("kind", "delivery")])).unwrap();
    let mut found = Vec::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        if let LogEntry::Interval(line) = entry.unwrap() {
            let bytes = base64(line.encoded_histogram());
            let times: Histogram<u64> =
                Deserializer::new().deserialize(&mut Cursor::new(bytes)).unwrap();
            found.push((line.tag().unwrap().as_str().to_owned(), times.len(), times.max()));
        }
    }
    found.sort();
    assert_eq!(found.len(), 2, "{text}");
    assert_eq!((found[0].0.as_str(), found[0].1), ("s:delivery:a_b_c", 1));
    assert_eq!((found[1].0.as_str(), found[1].1), ("s:delivery:room", 1_000));
    assert!((990_000..=1_010_000).contains(&found[1].2), "{found:?}");
}

/// Base64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(digit(*c)));
        let whole = four.len() * 6 / 8;
        let bits = bits << (32 - 6 * four.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[..whole]);
    }
    bytes
}
