use super::*;

fn report() -> Report {
    let latency = Quantiles {
        count: 10,
        p50_us: 100.0,
        p90_us: 200.0,
        p99_us: 5_000.0,
        p999_us: 6_000.0,
        max_us: 7_000.0,
    };
    Report { latency, loss: 3, deliveries_per_second: 1_000.0, ..Report::default() }
}

fn holds(text: &str) -> bool {
    text.parse::<Assertion>().expect(text).check(&report()).is_ok()
}

#[test]
fn every_operator_and_unit_compares_as_written() {
    for text in ["p50<101us", "p90 <= 0.2ms", "p99<5.001ms", "p99.9>=6ms", "max==7000us"] {
        assert!(holds(text), "{text}");
    }
    for text in ["p50<100us", "p99<5ms", "max>7ms", "loss==0", "throughput>1000"] {
        assert!(!holds(text), "{text}");
    }
    assert!(holds("loss<=3") && holds("throughput>=1e3") && holds("max<1s"));
}

#[test]
fn a_latency_without_a_sample_fails() {
    assert!(!holds("last.p99<10s"));
    assert!(holds("p99<10s"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for text in [
        "",
        "p99",
        "p99<",
        "p99<5",
        "p98<5ms",
        "loss<1ms",
        "p99<5h",
        "p99=5ms",
        "p99<-1ms",
        "last.loss<1",
        "throughput>NaN",
        "<5ms",
        "p99<ms",
    ] {
        assert!(text.parse::<Assertion>().is_err(), "{text}");
    }
}
