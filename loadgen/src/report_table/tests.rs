use super::*;
use crate::comparison::Baseline;
use crate::figures::Checks;
use crate::second::Second;
use crate::summary::ChannelChecks;

fn of(url: &str) -> Summary {
    Summary { url: url.into(), ..Summary::default() }
}

#[test]
fn numbers_are_written_for_readers() {
    assert_eq!(number(1_234_567.0), "1,234,567");
    assert_eq!(number(99.96), "100.0");
    assert_eq!(duration(1.234), "1.23 µs");
    assert_eq!(duration(999.0), "999 µs");
    assert_eq!(duration(12_345.0), "12.3 ms");
    assert_eq!(duration(2_500_000.0), "2.50 s");
    assert_eq!(time(&Figures::default().delivery, 0.5), "-");
}

#[test]
fn two_runs_stand_side_by_side() {
    let report = |url: &str| Report { summary: of(url), ..Report::default() };
    let text = table(&[report("ws://a"), report("wss://b")]);
    let first = text.lines().next().unwrap();
    assert!(first.contains("ws://a   ") && first.ends_with("wss://b"), "{first}");
}

#[test]
fn a_comparison_stands_below_the_table() {
    let seconds = |p99_us: f64| -> Vec<Second> {
        let second = |at: i32| Second { at: at.into(), deliveries: 1, p99_us, ..Second::default() };
        (0..6).map(second).collect()
    };
    let earlier = serde_json::json!({"runs": [{"seconds": seconds(1_000.0)}]}).to_string();
    let comparison = Baseline::parse(&earlier).unwrap().compare(0, &seconds(2_000.0), 0.0);
    let report = Report { summary: of("ws://a"), comparison, ..Report::default() };
    let line = "ws://a: p99 by second 2.00 ms, was 1.00 ms: worse, beyond the spread\n";
    assert!(table(&[report]).contains(line));
}

#[test]
fn channels_with_faults_are_named_and_the_others_are_not() {
    let channel = |number: u64| {
        let checks = Checks { lost: number, duplicates: number / 7, ..Checks::default() };
        ChannelChecks { channel: format!("room:{number}"), deliveries: 9, checks }
    };
    let summary = Summary { by_channel: (0..=12).map(channel).collect(), ..of("ws://a") };
    let text = table(&[Report { summary, ..Report::default() }]);
    assert!(text.contains("ws://a: channel room:12: 12 deliveries lost, 1 duplicates\n"), "{text}");
    assert!(text.contains("channel room:3: 3 deliveries lost\n"), "{text}");
    assert!(!text.contains("room:0:") && !text.contains("room:2:"), "{text}");
    assert!(text.contains("2 further channels with faults"), "{text}");
}
