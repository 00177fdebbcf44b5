use prometheus::core::Collector;
use prometheus::{Histogram as Times, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

use super::*;

/// What a server counts: requests by code, their times, and how many are open.
struct Counts {
    requests: IntCounterVec,
    times: Times,
    open: IntGauge,
}

impl Counts {
    fn new() -> Counts {
        let options = HistogramOpts::new("times", "t").buckets(vec![1.0, 2.0]);
        Counts {
            requests: IntCounterVec::new(Opts::new("requests_total", "r"), &["server"]).unwrap(),
            times: Times::with_opts(options).unwrap(),
            open: IntGauge::new("open", "o").unwrap(),
        }
    }

    fn families(&self) -> Vec<MetricFamily> {
        [self.requests.collect(), self.times.collect(), self.open.collect()].concat()
    }
}

fn text(families: &[MetricFamily]) -> String {
    prometheus::TextEncoder::new().encode_to_string(families).unwrap()
}

#[test]
fn counters_go_on_and_gauges_do_not() {
    let (old, new) = (Counts::new(), Counts::new());
    old.requests.with_label_values(&["a"]).inc_by(5);
    old.requests.with_label_values(&["gone"]).inc_by(7);
    [0.5, 1.5, 9.0].iter().for_each(|time| old.times.observe(*time));
    old.open.set(3);
    new.requests.with_label_values(&["a"]).inc_by(2);
    new.times.observe(1.5);
    let carried = Carried::default();
    carried.read(&Carried::write(&old.families())).unwrap();
    let mut all = new.families();
    carried.add_to(&mut all, |server| server == "hidden");
    let text = text(&all);
    for line in [
        r#"requests_total{server="a"} 7"#,
        r#"requests_total{server="gone"} 7"#,
        r#"times_bucket{le="1"} 1"#,
        r#"times_bucket{le="2"} 3"#,
        r#"times_bucket{le="+Inf"} 4"#,
        "times_sum 12.5",
        "times_count 4",
        "open 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in {text}");
    }
    let mut all = new.families();
    carried.add_to(&mut all, |server| server == "gone");
    assert!(!super::tests::text(&all).contains("gone"));
}

#[test]
fn what_was_carried_once_is_carried_again() {
    let (first, second, third) = (Counts::new(), Counts::new(), Counts::new());
    first.requests.with_label_values(&["a"]).inc_by(5);
    let carried = Carried::default();
    carried.read(&Carried::write(&first.families())).unwrap();
    let mut all = second.families();
    carried.add_to(&mut all, |_| false);
    let again = Carried::default();
    again.read(&Carried::write(&all)).unwrap();
    third.requests.with_label_values(&["a"]).inc();
    let mut all = third.families();
    again.add_to(&mut all, |_| false);
    assert!(text(&all).contains(r#"requests_total{server="a"} 6"#), "{}", text(&all));
}

#[test]
fn the_process_is_another_one_and_other_bytes_are_refused() {
    let registry = Registry::new_custom(Some("process".into()), None).unwrap();
    let counter = prometheus::IntCounter::new("cpu_seconds_total", "c").unwrap();
    counter.inc();
    registry.register(Box::new(counter)).unwrap();
    assert_eq!(Carried::write(&registry.gather()), b"[]");
    assert!(Carried::default().read(b"{").is_err());
}
