use super::*;
use crate::summary::PhaseFigures;
use std::time::Duration;

/// Ten deliveries: 100 µs, and the last of them 7 ms.
fn figures(last_us: u64) -> Figures {
    let mut figures = Figures { deliveries_per_second: 1_000.0, ..Figures::default() };
    (0..9).for_each(|_| figures.delivery.saturating_record(100_000));
    figures.delivery.saturating_record(last_us * 1_000);
    figures.checks.lost = 3;
    figures.handshakes.resumed.tls.saturating_record(50_000);
    figures
}

fn summary() -> Summary {
    let phase = PhaseFigures {
        name: "v1.2 calm".into(),
        begins: Duration::ZERO,
        measured: true,
        figures: figures(9_000),
    };
    Summary { total: figures(7_000), phases: vec![phase], ..Summary::default() }
}

fn holds(text: &str) -> bool {
    text.parse::<Assertion>().expect(text).check(&summary()).is_ok()
}

#[test]
fn every_operator_and_unit_compares_as_written() {
    for text in ["p50<101us", "p90 <= 0.2ms", "p99<7.01ms", "p99.9>=6.99ms", "max<7010000ns"] {
        assert!(holds(text), "{text}");
    }
    for text in ["p50<90us", "p99<5ms", "max>7.1ms", "loss==0", "throughput>1000"] {
        assert!(!holds(text), "{text}");
    }
    assert!(holds("loss<=3") && holds("throughput>=1e3") && holds("max<1s"));
}

#[test]
fn one_phase_and_the_parts_of_handshakes_are_told_apart() {
    assert!(holds("phase.v1.2 calm.max>8ms") && !holds("max>8ms"));
    assert!(holds("resumed.tls.p50<51us") && !holds("tls.p50<51us"), "there is no full one");
    let calm = "phase.v1.2 calm.last.p99<1s".parse::<Assertion>().unwrap();
    assert_eq!(calm.phase(), Some("v1.2 calm"));
    assert!(!holds("phase.storm.p99<1s"), "a phase that was not");
}

#[test]
fn a_latency_without_a_sample_fails() {
    assert!(!holds("last.p99<10s"));
    assert!(holds("p99<10s"));
}

#[test]
fn every_name_is_taken_and_explained() {
    for (name, _) in NUMBERS {
        assert!(format!("{name}<1").parse::<Assertion>().is_ok() && FORM.contains(name), "{name}");
    }
    for (prefix, _) in DISTRIBUTIONS {
        assert!(format!("{prefix}max<1s").parse::<Assertion>().is_ok(), "{prefix}");
    }
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
        "phase.calm<5ms",
        "phase.p99<5ms",
    ] {
        assert!(text.parse::<Assertion>().is_err(), "{text}");
    }
}
