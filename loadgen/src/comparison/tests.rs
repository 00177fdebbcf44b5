use super::*;

/// Seconds with these p99s, each of ten deliveries.
fn seconds(p99s: &[f64]) -> Vec<Second> {
    let second = |(place, p99_us): (usize, &f64)| Second {
        at: place as f64,
        deliveries: 10,
        p99_us: *p99_us,
        ..Second::default()
    };
    p99s.iter().enumerate().map(second).collect()
}

fn judge(before: &[f64], now: &[f64]) -> Judgement {
    let text = serde_json::json!({ "runs": [{ "url": "ws://a", "seconds": seconds(before) }] });
    let baseline = Baseline::parse(&text.to_string()).unwrap();
    let now = seconds(now);
    let comparison = baseline.compare(0, &now, 0.0).unwrap();
    assert_eq!(comparison.url, "ws://a");
    assert_eq!(baseline.compare(1, &now, 0.0), None);
    comparison.figures.iter().find(|figure| figure.name == "p99").unwrap().verdict
}

#[test]
fn a_difference_counts_where_the_middle_halves_are_apart() {
    let calm = [100.0, 101.0, 102.0, 103.0, 104.0, 900.0];
    assert_eq!(judge(&calm, &[103.0; 6]), Judgement::WithinTheSpread);
    assert_eq!(judge(&calm, &[120.0; 6]), Judgement::WorseBeyondTheSpread);
    assert_eq!(judge(&calm, &[99.0; 6]), Judgement::BetterBeyondTheSpread);
    assert_eq!(judge(&calm, &[500.0; 4]), Judgement::TooFewSeconds);
}

#[test]
fn more_deliveries_are_better_and_a_warm_up_is_left_out() {
    let some = |deliveries: u64| -> Vec<Second> {
        let second = |at: i32| Second { at: at.into(), deliveries, ..Second::default() };
        (0..8).map(second).collect()
    };
    let baseline = Baseline { runs: vec![EarlierRun { seconds: some(10), ..Default::default() }] };
    let mut now = some(20);
    now[0].deliveries = 1;
    now[1].deliveries = 1;
    let figures = baseline.compare(0, &now, 2.0).unwrap().figures;
    let deliveries = figures.iter().find(|figure| figure.name == "deliveries").unwrap();
    assert_eq!(deliveries.verdict, Judgement::BetterBeyondTheSpread);
    assert_eq!(deliveries.now.low, 20.0);
}

#[test]
fn what_is_no_report_is_refused() {
    for (text, part) in [("[]", "no report of --json"), (r#"{"runs":[{}]}"#, "no run with seconds")]
    {
        let error = Baseline::parse(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}
