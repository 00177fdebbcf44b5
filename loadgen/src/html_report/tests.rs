use super::*;
use crate::comparison::Baseline;
use crate::figures::Checks;
use crate::heat_map::HeatMap;
use crate::second::Second;
use crate::summary::{ChannelChecks, Summary};

fn report() -> Report {
    let mut summary = Summary { url: "ws://<here>".into(), ..Summary::default() };
    let delivery = &mut summary.total.delivery;
    (1..=1_000_u64).for_each(|value| delivery.record(value * 1_000).unwrap());
    summary.total.checks.lost = 1;
    let checks = Checks { lost: 1, ..Checks::default() };
    summary.by_channel = vec![
        ChannelChecks { channel: "a<b".into(), deliveries: 999, checks },
        ChannelChecks { channel: "well".into(), ..ChannelChecks::default() },
    ];
    let second = |at: i32| Second {
        at: at.into(),
        deliveries: 100,
        lost: u64::from(at == 3),
        p50_us: 500.0,
        p99_us: 990.0,
        p999_us: 999.0,
        max_us: 1_000.0,
        ..Second::default()
    };
    Report {
        summary,
        failures: vec!["ws://<here>: p99<1ms & more".into()],
        seconds: (0..10).map(second).collect(),
        curve: vec![[0.0, 1.0], [0.5, 500.0], [0.99, 990.0]],
        heat: HeatMap {
            seconds: (0..10).map(f64::from).collect(),
            microseconds: vec![450.0, 535.0],
            counts: vec![vec![50; 10], vec![25; 10]],
        },
        ..Report::default()
    }
}

#[test]
fn the_page_says_what_happened_and_loads_nothing() {
    let environment = serde_json::json!({"cpus_online": 2, "cpu_quota": null});
    let page = page(&[report()], &environment);
    for part in [
        "<b>Failed</b>",
        "<li>ws://&lt;here&gt;: p99&lt;1ms &amp; more</li>",
        "Of 1,000 deliveries half arrived within <b>500 µs</b>",
        "<b>1 were lost.</b>",
        "<tr><th scope=\"row\">a&lt;b</th><td>999</td><td>1</td><td>0</td>",
        "<tr><th scope=\"row\">cpus online</th><td>2</td></tr>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert_eq!(page.matches("<svg ").count(), 3, "{page}");
    for foreign in ["<script", "src=", "href=", "url(", "<here>", "cpu quota", "well"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn an_earlier_run_is_compared_with_words() {
    let mut report = report();
    let slower: Vec<Second> = report
        .seconds
        .iter()
        .map(|second| Second { p99_us: 2.0 * second.p99_us, ..second.clone() })
        .collect();
    let earlier = serde_json::json!({"runs": [{"started_at": "long ago", "seconds": slower}]});
    let baseline = Baseline::parse(&earlier.to_string()).unwrap();
    report.comparison = baseline.compare(0, &report.seconds, 0.0);
    let page = page(&[report], &Value::Null);
    assert!(page.contains("Compared with the run of long ago"), "{page}");
    assert!(page.contains("<td>-50 %</td><td>better, beyond the spread</td>"), "{page}");
    assert!(page.contains("<td>+0 %</td><td>within the spread</td>"), "{page}");
}

#[test]
fn a_run_without_deliveries_has_a_page_without_charts() {
    let page = page(&[Report::default()], &Value::Null);
    assert!(page.contains("Nothing was delivered") && page.contains("<b>Passed</b>"), "{page}");
    assert!(!page.contains("<svg"), "{page}");
}
