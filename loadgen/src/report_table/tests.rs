use super::*;
use crate::comparison::Baseline;
use crate::second::Second;

#[test]
fn numbers_are_written_for_readers() {
    assert_eq!(number(1_234_567.0), "1,234,567");
    assert_eq!(number(99.96), "100.0");
    let some = Quantiles { count: 1, ..Quantiles::default() };
    assert_eq!(time(&some, 999.0), "999 µs");
    assert_eq!(time(&some, 12_345.0), "12.3 ms");
    assert_eq!(time(&some, 2_500_000.0), "2.50 s");
    assert_eq!(time(&Quantiles::default(), 0.0), "-");
}

#[test]
fn two_runs_stand_side_by_side() {
    let report = |url: &str| Report { url: url.into(), ..Report::default() };
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
    let report = Report { url: "ws://a".into(), comparison, ..Report::default() };
    let line = "ws://a: p99 by second 2.00 ms, was 1.00 ms: worse, beyond the spread\n";
    assert!(table(&[report]).contains(line));
}
