//! What Prometheus reads.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;
use uringcast_engine::telemetry::{
    Close, ConnectionError, Count, Gauge, Lag, MessageError, MessageType, Recorder,
};
use uringcast_engine::{
    ChannelName, CloseCodes, Service, ServiceId, ServiceLoad, ShardId, TlsSource, Transport,
    WebSocketMetrics,
};
use uringcast_server::metrics::Metrics;

/// The only service.
const ONE: ServiceId = ServiceId(0);
const MS: u64 = 1_000_000;

/// A service that accepts 1,000 connections by wss.
fn orders() -> Arc<[Service]> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    let tls = Some(TlsSource::new(Arc::new(config)));
    [Service { name: "orders".into(), tls, max_connections: 1_000, ..Service::default() }].into()
}

/// Two shards that have done a little of everything.
fn busy() -> Metrics {
    let metrics = Metrics::new("orders", orders(), 2, Some(Duration::from_millis(1)));
    for shard in 0..2 {
        let mut recorder = Recorder::new(ShardId(shard), 1, true);
        for class in ["workflow:1", "pool:7", "a\"b\\c:1"] {
            let class = recorder.class_of(&ChannelName::parse(class).unwrap());
            recorder.broadcast_accepted(class);
            recorder.delivered(class, Transport::WebSocket, 80_000, 10, 128);
            recorder.broadcast_done(class, 3 * MS);
        }
        recorder.connected(ONE);
        recorder.set(Gauge::Connections, 5);
        recorder.set_load(ONE, ServiceLoad { connections: 5, ..Default::default() });
        recorder.received(ONE, MessageType::Subscribe, 40_000);
        recorder.received(ONE, MessageType::Request, 20_000_000_000);
        recorder.sent(ONE, MessageType::Response);
        recorder.connection_error(ONE, ConnectionError::SlowConsumer);
        recorder.message_error(ONE, MessageError::DecodeError);
        recorder.count(Count::Accepts, 9);
        recorder.caught_up(700 * MS);
        recorder.turned(30_000);
        recorder.submitted(200);
        recorder.upgraded(2 * MS);
        recorder.closed(Close::SlowConsumer, CloseCodes::Own);
        recorder.lagging([1, 2, 0, 0, 0]);
        recorder.used_cpu(1_500 * MS);
        let slow = recorder.class_of(&ChannelName::parse("pool:7").unwrap());
        recorder.delivered(slow, Transport::WebSocket, 7 * MS, 3, 128);
        metrics.probed(usize::from(shard), Some(Duration::from_millis(2)));
        metrics.probed(usize::from(shard), None);
        metrics.absorb(&recorder.swap(None));
    }
    metrics
}

/// A parser of the text format, as strict as these tests need.
#[derive(Default)]
struct Scrape {
    kinds: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    fn parse(text: &str) -> Scrape {
        let mut scrape = Scrape::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("HELP has a text");
                assert!(scrape.helps.insert(name.into(), help.into()).is_none(), "{name} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("TYPE has a type");
                assert!(scrape.kinds.insert(name.into(), kind.into()).is_none(), "{name} twice");
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
                let name = series.split('{').next().unwrap();
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
                let histogram = base.and_then(|base| scrape.kinds.get(base));
                assert!(scrape.kinds.contains_key(name) || histogram.is_some(), "{line}");
                let value = value.parse().expect("a value is a number");
                assert!(scrape.samples.insert(series.into(), value).is_none(), "{series} twice");
            }
        }
        scrape
    }

    fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no sample {series}"))
    }

    fn label_values(&self, name: &str, label: &str) -> BTreeSet<String> {
        let own = self.samples.keys().filter(|series| series.starts_with(&format!("{name}{{")));
        let value = |series: &String| {
            let (_, rest) = series.split_once(&format!("{label}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        own.filter_map(value).collect()
    }
}

#[test]
fn the_eight_metrics_of_the_family_are_there_with_types_and_labels() {
    let scrape = Scrape::parse(&busy().render().unwrap());
    for (name, kind) in [
        ("websocket_connections_total", "counter"),
        ("websocket_connections_active", "gauge"),
        ("websocket_messages_total", "counter"),
        ("websocket_broadcast_total", "counter"),
        ("websocket_broadcast_duration_seconds", "histogram"),
        ("websocket_connection_errors_total", "counter"),
        ("websocket_message_errors_total", "counter"),
        ("websocket_latency_seconds", "histogram"),
    ] {
        assert_eq!(scrape.kinds.get(name).map(String::as_str), Some(kind), "{name}");
        assert!(scrape.helps.contains_key(name), "{name}");
    }
    for (series, value) in [
        ("websocket_connections_total{server=\"orders\",tls_mode=\"wss\"}", 2.0),
        ("websocket_connections_active{server=\"orders\",tls_mode=\"wss\"}", 10.0),
        (
            "websocket_messages_total{server=\"orders\",message_type=\"event\",direction=\"sent\"}",
            66.0,
        ),
        (
            "websocket_messages_total\
             {server=\"orders\",message_type=\"subscribe\",direction=\"received\"}",
            2.0,
        ),
        ("websocket_broadcast_total{server=\"orders\",channel=\"workflow\"}", 2.0),
        ("websocket_connection_errors_total{server=\"orders\",error_type=\"slow_consumer\"}", 2.0),
        ("websocket_message_errors_total{server=\"orders\",error_type=\"decode_error\"}", 2.0),
        ("websocket_message_errors_total{server=\"orders\",error_type=\"busy\"}", 0.0),
        ("uringcast_accepts_total{server=\"orders\"}", 18.0),
        ("uringcast_connections_limit{server=\"orders\"}", 1_000.0),
        ("uringcast_catch_up_duration_seconds_count{server=\"orders\"}", 2.0),
    ] {
        assert_eq!(scrape.value(series), value, "{series}");
    }
}

#[test]
fn what_the_engine_tells_of_itself_has_its_units_and_labels() {
    let scrape = Scrape::parse(&busy().render().unwrap());
    for (series, value) in [
        ("uringcast_closes_total{server=\"orders\",code=\"1013\",reason=\"slow_consumer\"}", 2.0),
        ("uringcast_laggards_now{server=\"orders\",state=\"reading\"}", 4.0),
        ("uringcast_shard_busy_seconds_total{server=\"orders\",shard=\"1\"}", 1.5),
        ("uringcast_shard_deliveries_total{server=\"orders\",shard=\"0\"}", 33.0),
        ("uringcast_shard_connections{server=\"orders\",shard=\"1\"}", 5.0),
        ("uringcast_batch_writes_bucket{server=\"orders\",le=\"128\"}", 0.0),
        ("uringcast_batch_writes_bucket{server=\"orders\",le=\"256\"}", 2.0),
        ("uringcast_batch_writes_sum{server=\"orders\"}", 400.0),
        ("uringcast_turn_duration_seconds_count{server=\"orders\"}", 2.0),
        ("canary_latency_seconds_count{server=\"orders\",shard=\"0\"}", 1.0),
        ("canary_failures_total{server=\"orders\",shard=\"1\"}", 1.0),
    ] {
        assert_eq!(scrape.value(series), value, "{series}");
    }
}

#[test]
fn the_error_budget_counts_deliveries_within_the_objective() {
    let scrape = Scrape::parse(&busy().render().unwrap());
    // 60 took 80 µs, 6 took 7 ms; the objective is 1 ms.
    let own = |name: &str| scrape.value(&format!("uringcast_slo_{name}{{server=\"orders\"}}"));
    assert_eq!((own("deliveries_total"), own("deliveries_within_total")), (66.0, 60.0));
    assert_eq!((own("objective_seconds"), own("target_ratio")), (0.001, 0.99));
    let none = Metrics::new("s", [].into(), 1, None).render().unwrap();
    assert!(!none.contains("uringcast_slo_"), "there is no objective");
}

#[test]
fn durations_are_cumulative_buckets_in_seconds() {
    let scrape = Scrape::parse(&busy().render().unwrap());
    let name = "websocket_broadcast_duration_seconds";
    let labels = "server=\"orders\",channel=\"pool\"";
    let bounds = [
        "0.00001", "0.000025", "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.005", "0.01",
        "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf",
    ];
    for bound in bounds {
        let expected =
            if bound == "+Inf" || bound.parse::<f64>().unwrap() > 0.003 { 2.0 } else { 0.0 };
        let series = format!("{name}_bucket{{{labels},le=\"{bound}\"}}");
        assert_eq!(scrape.value(&series), expected, "{series}");
    }
    let own = |series: &&String| series.starts_with(&format!("{name}_bucket{{{labels}"));
    assert_eq!(scrape.samples.keys().filter(own).count(), bounds.len());
    let sum = scrape.value(&format!("{name}_sum{{{labels}}}"));
    assert!((sum - 0.006).abs() < 0.000_06, "{sum}");

    let latency = |bound: &str| {
        let labels = "server=\"orders\",message_type=\"request\"";
        scrape.value(&format!("websocket_latency_seconds_bucket{{{labels},le=\"{bound}\"}}"))
    };
    assert_eq!((latency("10"), latency("+Inf")), (0.0, 2.0));
}

#[test]
fn every_value_of_a_bounded_label_is_there_from_the_start() {
    let services = [Service { name: "s".into(), ..Service::default() }].into();
    let scrape = Scrape::parse(&Metrics::new("s", services, 1, None).render().unwrap());
    let texts = |all: Vec<&str>| all.into_iter().map(String::from).collect::<BTreeSet<_>>();
    let kinds = texts(MessageType::ALL.iter().map(|kind| kind.label()).collect());
    let errors = texts(ConnectionError::ALL.iter().map(|error| error.label()).collect());
    let own = texts(MessageError::ALL.iter().map(|error| error.label()).collect());
    let connection_errors = "websocket_connection_errors_total";
    assert_eq!(scrape.label_values("websocket_messages_total", "message_type"), kinds);
    assert_eq!(scrape.label_values("websocket_latency_seconds_count", "message_type"), kinds);
    assert_eq!(scrape.label_values(connection_errors, "error_type"), errors);
    assert_eq!(scrape.label_values("websocket_message_errors_total", "error_type"), own);
    assert_eq!(scrape.value("websocket_connections_active{server=\"s\",tls_mode=\"ws\"}"), 0.0);
    for what in Count::ALL {
        let name = format!("uringcast_{}_total", what.label());
        assert_eq!(scrape.kinds.get(&name).map(String::as_str), Some("counter"), "{name}");
    }
    let reasons = texts(Close::ALL.iter().map(|why| why.label()).collect());
    assert_eq!(scrape.label_values("uringcast_closes_total", "reason"), reasons);
    assert_eq!(scrape.label_values("uringcast_laggards_now", "state").len(), Lag::COUNT);
    assert!(scrape.value("process_open_fds") > 0.0 && scrape.value("process_max_fds") > 0.0);
    let build = scrape.label_values("uringcast_build_info", "version");
    assert_eq!(build, texts(vec![env!("CARGO_PKG_VERSION")]));
}

/// What a service did, recorded by an embedder through `WebSocketMetrics`.
fn embedded() -> WebSocketMetrics {
    let metrics = WebSocketMetrics::new("orders", true);
    (0..5).for_each(|_| metrics.on_connect());
    metrics.on_disconnect();
    metrics.on_message_received(MessageType::Subscribe);
    metrics.observe_latency(MessageType::Subscribe, Duration::from_micros(40));
    metrics.on_message_sent(MessageType::Response);
    metrics.on_broadcast("workflow:1", 10, Duration::from_millis(3));
    metrics.on_broadcast("a\"b\\c:1", 2, Duration::from_secs(7));
    metrics.on_connection_error(ConnectionError::SlowConsumer);
    metrics.on_message_error(MessageError::DecodeError);
    metrics
}

/// The same, recorded by a shard.
fn served() -> Metrics {
    let metrics = Metrics::new("orders", orders(), 1, None);
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    (0..5).for_each(|_| recorder.connected(ONE));
    recorder.set_load(ONE, ServiceLoad { connections: 4, ..Default::default() });
    recorder.received(ONE, MessageType::Subscribe, 40_000);
    recorder.sent(ONE, MessageType::Response);
    for (name, n, ms) in [("workflow:1", 10, 3), ("a\"b\\c:1", 2, 7_000)] {
        let class = recorder.class_of(&ChannelName::parse(name).unwrap());
        recorder.broadcast_accepted(class);
        recorder.delivered(class, Transport::WebSocket, 80_000, n, 128);
        recorder.broadcast_done(class, ms * MS);
    }
    recorder.connection_error(ONE, ConnectionError::SlowConsumer);
    recorder.message_error(ONE, MessageError::DecodeError);
    metrics.absorb(&recorder.swap(None));
    metrics
}

#[test]
fn an_embedder_s_series_are_a_server_s() {
    let family = |text: String| -> Vec<String> {
        let ours = |line: &&str| line.trim_start_matches("# HELP ").starts_with("websocket_");
        let typed = |line: &&str| line.starts_with("# TYPE websocket_");
        // A server's sums are as exact as its histograms' resolution.
        let sum = |line: &str| match line.split_once("_sum{") {
            Some((name, rest)) => format!("{name}_sum{{{}", rest.split_once(' ').unwrap().0),
            None => line.to_owned(),
        };
        let mut lines: Vec<_> =
            text.lines().filter(|line| ours(line) || typed(line)).map(sum).collect();
        lines.sort();
        lines
    };
    let (own, server) = (family(embedded().render()), family(served().render().unwrap()));
    assert_eq!(own.iter().filter(|line| line.starts_with("# TYPE")).count(), 8);
    assert_eq!(own, server);
}

#[test]
fn promtool_has_nothing_to_say() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("SKIPPED: promtool is not installed (apt-get install prometheus)");
        return;
    };
    let text = busy().render().unwrap() + &embedded().render().replace("websocket_", "own_");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
