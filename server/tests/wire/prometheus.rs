//! A real Prometheus scrapes two servers under load and returns data for every query of the
//! dashboards and rules.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;

use crate::support::prometheus::{INTERVALS, Prometheus, Target, check_metrics, promtool, targets};
use crate::support::ws::{Client, TEXT};
use crate::support::{Server, http, tls, tools, until};
use rustls::ClientConfig;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

/// As the dashboards' variable `server` has them: All, one without TLS, one with.
const SERVERS: [&str; 3] = [".*", "mahavishnu", "akosha"];
/// An expression with one of these may be zero: a load without faults leaves them at zero, or
/// raises them only after some time.
const MAY_BE_ZERO: [&str; 47] = [
    "uringcast_cluster_",
    "uringcast_upstream_unwanted_total",
    "uringcast_upstream_repeated_total",
    "uringcast_upstream_unanswered_total",
    "uringcast_state_bytes",
    "uringcast_history_reads_total",
    "uringcast_history_messages_total",
    "uringcast_patterns",
    "uringcast_present_connections",
    "uringcast_pattern_misses_total",
    "uringcast_inflate_input_bytes_total",
    "uringcast_inflate_output_bytes_total",
    "uringcast_slo_target_ratio", // the burn rate of a budget that nothing is taken from
    "canary_failures_total",
    "uringcast_foreign_listeners",
    "uringcast_refused_total",
    "uringcast_channel_refusals_total",
    "uringcast_mailbox_refusals_total",
    "uringcast_http_given_up_total",
    "uringcast_log_lines_lost_total",
    "uringcast_ring_stalls_total",
    "uringcast_config_waiting_for_restart",
    "uringcast_config_reload_successful",
    "uringcast_lane_full_total",
    "uringcast_rejoins_total",
    "uringcast_buffers_exhausted_total",
    "uringcast_ring_overflows_total",
    "uringcast_shard_mailbox_messages",
    "uringcast_handshakes{", // a moment's
    "uringcast_handshakes_waiting",
    "uringcast_event_streams",         // clients here have WebSockets
    "uringcast_draining_connections",  // of a drain that goes on
    "uringcast_handshake_waits_total", // of a shard that is not overloaded
    "uringcast_conflated_total",
    "uringcast_missed_total",
    "uringcast_skipped_total",
    "uringcast_access_log_drops_total",
    "uringcast_tls_fallbacks_total",
    "uringcast_tls_key_updates_total",
    "uringcast_compressors", // no client here negotiates compression
    "uringcast_context_deflates_total",
    "uringcast_twin_deflates_total",
    "uringcast_context_deliveries_total",
    "uringcast_twin_deliveries_total",
    "uringcast_deflate_saved_bytes_total",
    "reason=\"keys\"",
    "process_cpu_seconds_total", // whole seconds
];

/// A server with what a client needs to connect to it.
struct Loaded {
    server: Server,
    secure: Option<Arc<ClientConfig>>,
}

impl Loaded {
    fn start(name: &str, tls: bool) -> Loaded {
        let flags = format!(
            "--server-name {name} --shards 2 --slo-p99 5s --canary-interval 200ms \
             --log-bytes 8MiB --byte-rate 16KiB {}",
            if tls { "--auto-cert" } else { "" }
        );
        let server = Server::start(&flags);
        let secure = tls.then(|| tls::config(&server, &rustls::version::TLS13, None));
        Loaded { server, secure }
    }

    fn client(&self) -> Client {
        match &self.secure {
            Some(config) => Client::connect_secure(&self.server, config),
            None => Client::connect(&self.server),
        }
    }

    /// A client with a minimal receive buffer.
    fn slow_client(&self) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.connect(&self.server.clients[0].into()).expect("connected");
        let session = self.secure.as_ref().map(tls::client);
        let mut client = Client::request_over(socket.into(), session);
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(client.message()["event"], "session.created");
        client
    }

    /// The load of ordinary clients.
    fn ordinary(&self, subscribers: &mut [Client]) {
        self.server.publish("room:1", "{}");
        for client in subscribers {
            while client.message()["event"] != "test" {}
            client.say(&json!({"type": "ping", "id": "?"}));
        }
    }

    /// A subscriber that falls behind and catches up, one that does not, and peers' faults.
    fn troubles(&self, prometheus: &Prometheus, subscriber: &mut Client) {
        let server = &self.server;
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(60_000));
        let mut slow = self.slow_client();
        slow.subscribe("bulk:1");
        let publish = |channel| (0..40).for_each(|_| _ = server.publish(channel, &large));
        // The log keeps more than what is published between two scrapes, each of which sees all.
        until("a subscriber to fall behind", || {
            publish("bulk:1");
            (server.settled("uringcast_laggards_total", "") >= 1.0).then_some(())
        });
        let last = server.publish("bulk:1", "{}");
        let name = if self.secure.is_some() { "akosha" } else { "mahavishnu" };
        let seen = format!("sum(uringcast_laggards_now{{server=\"{name}\"}}) > 0");
        until("Prometheus to see it", || prometheus.query(&seen).pop());
        while slow.message()["seq"] != last {}
        server.wait_metric("uringcast_recoveries_total", "", 1.0);

        let mut lost = self.slow_client();
        lost.subscribe("flood:1");
        until("a slow subscriber to be closed", || {
            publish("flood:1");
            (server.metric("uringcast_closes_total", "slow_consumer") >= 1.0).then_some(())
        });

        subscriber.send(TEXT, b"no JSON");
        // More at once than any burst has room for.
        (0..2).for_each(|_| subscriber.send(TEXT, " ".repeat(40_000).as_bytes()));
        if let Some(config) = &self.secure {
            drop(Client::connect_secure(server, config)); // with the ticket of the last one
            server.wait_metric("uringcast_tls_handshakes_resumed_total", "", 1.0);
            server.hang_up();
            server.wait_metric("tls_reloads_total", "success", 1.0);
        }
        let mut stranger = TcpStream::connect(server.clients[0]).expect("connected");
        let sent = std::io::Write::write_all(&mut stranger, b"neither TLS nor an upgrade\r\n\r\n");
        sent.expect("written");
        server.wait_metric("websocket_connection_errors_total", "", 2.0);
        server.wait_metric("websocket_message_errors_total", "decode_error", 3.0);
        server.wait_metric("uringcast_byte_pauses_total", "", 1.0);
    }
}

/// Brings load on the servers until Prometheus has seen all of it.
fn load(prometheus: &Prometheus, all: &[Loaded]) {
    let seen = |what: &str, expression: &str| {
        until(what, || prometheus.query(expression).pop().filter(|found| *found > 0.0));
    };
    seen("both servers to be up", "sum(up) == 2");
    let mut clients: Vec<Vec<Client>> = Vec::new();
    for loaded in all {
        let mut own: Vec<Client> = (0..10).map(|_| loaded.client()).collect();
        own.iter_mut().for_each(|client| _ = client.subscribe("room:1"));
        clients.push(own);
    }
    // Rates need a class of channel that Prometheus knows already.
    let enough =
        r#"count(count_over_time(websocket_broadcast_total{channel="room"}[1m]) > 6) == 2"#;
    until("Prometheus to have seen some load", || {
        for (loaded, own) in all.iter().zip(&mut clients) {
            loaded.ordinary(own);
        }
        prometheus.query(enough).pop()
    });
    for (loaded, own) in all.iter().zip(&mut clients) {
        loaded.troubles(prometheus, &mut own[0]);
    }
    drop(clients);
    for loaded in all {
        loaded.server.wait_metric("uringcast_closes_total", "lost", 10.0);
    }
    let all_lost = r#"count(sum by (server) (uringcast_closes_total{reason="lost"}) >= 10) == 2"#;
    seen("Prometheus to know the end", all_lost);
}

fn ask_every_panel(prometheus: &Prometheus) {
    let both = ["websocket.json", "engine.json"];
    for Target { title, expr: expression, .. } in both.into_iter().flat_map(targets) {
        let interval = |interval| (SERVERS[0], interval);
        let server = |server| (server, INTERVALS[0]);
        for (server, interval) in
            SERVERS.into_iter().map(server).chain(INTERVALS[1..].iter().copied().map(interval))
        {
            let certificates = ["tls_certificate", "tls_reloads"];
            if server == "mahavishnu" && certificates.iter().any(|it| expression.contains(it)) {
                continue; // It has none.
            }
            let asked = prometheus.filled(&expression, server, interval);
            if expression.contains("uringcast_cluster_lag_seconds") {
                prometheus.query(&asked); // No node of a cluster: a quantile of nothing.
                continue;
            }
            // A scrape that was late makes the series end, until the next one.
            let finite = until(&format!("{title}: something for {asked}"), || {
                let values = match interval {
                    "5m" => prometheus.query_range(&asked, 6),
                    _ => prometheus.query(&asked),
                };
                let finite: Vec<f64> = values.into_iter().filter(|n| n.is_finite()).collect();
                (!finite.is_empty()).then_some(finite)
            });
            let filled = finite.iter().any(|value| *value > 0.0);
            let may = MAY_BE_ZERO.iter().any(|metric| expression.contains(metric));
            assert!(filled || may || server != SERVERS[0], "{title}: all zero: {asked}");
        }
    }
}

/// The selectors of an expression: a metric's name and what follows it in braces.
fn selectors(expression: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let starts = ["websocket_", "uringcast_", "process_", "tls_", "server:", "instance", "up{"];
    let begin = |(at, _): (usize, char)| {
        let fresh = !expression[..at].ends_with(word);
        let name = &expression[at..];
        let known = starts.iter().any(|start| name.starts_with(start));
        let end = name.find(|c| !word(c)).unwrap_or(name.len());
        // A label in by(…) ends with a comma or parenthesis, and has no such prefix but `instance`.
        (fresh && known && &name[..end] != "instance").then(|| match name[end..].starts_with('{') {
            true => &name[..=name.find('}').expect("a brace")],
            false => &name[..end],
        })
    };
    expression.char_indices().filter_map(begin).collect()
}

fn ask_every_rule(prometheus: &Prometheus) {
    let evaluated = |rule: &Value| rule["health"] == "ok";
    let rules = until("every rule to be evaluated", || {
        let groups = prometheus.api("rules");
        let groups = groups["groups"].as_array().expect("groups").iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
        let rules: Vec<Value> = rules.collect();
        let wrong = rules.iter().find(|rule| rule["health"] == "err");
        assert!(wrong.is_none(), "{wrong:?}");
        rules.iter().all(evaluated).then_some(rules)
    });
    assert_eq!(rules.len(), 40);
    for rule in &rules {
        let (name, query) = (&rule["name"], rule["query"].as_str().expect("an expression"));
        prometheus.query(query);
        let recorded = (rule["type"] == "recording").then(|| name.as_str().expect("a name"));
        for asked in selectors(query).into_iter().chain(recorded) {
            // A recording that uses another one is a round later.
            until(&format!("{name}: a series for {asked}"), || prometheus.query(asked).pop());
        }
    }
}

/// Prometheus' quantile lies in the bucket of the engine's own histogram's.
fn percentiles_agree(prometheus: &Prometheus, name: &str, server: &Server) {
    let answer = http::get(server.control, "/debug/latency?kind=delivery&class=room").body;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let own = &answer["since_start"]["latencies"][0];
    let metric = "uringcast_delivery_duration_seconds";
    let series = format!("{{server=\"{name}\",channel=\"room\"}}");
    let count = prometheus.query(&format!("{metric}_count{series}"));
    assert_eq!(own["count"].as_f64(), count.first().copied(), "{own}");
    let buckets = prometheus.api(&format!("query?query={metric}_bucket"));
    let bound = |series: &Value| series["metric"]["le"].as_str()?.parse::<f64>().ok();
    let mut bounds: Vec<f64> =
        buckets["result"].as_array().expect("a vector").iter().filter_map(bound).collect();
    bounds.sort_by(f64::total_cmp);
    for (quantile, key) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99_9")] {
        let hdr = own[key].as_f64().expect("a number");
        let asked = format!("histogram_quantile({quantile}, {metric}_bucket{series})");
        let theirs = prometheus.query(&asked)[0];
        // HDR's values are one per cent wide: one beside a bound can be in either bucket.
        let below = bounds.iter().rfind(|bound| **bound < hdr * 0.98).copied().unwrap_or(0.0);
        let above = bounds.iter().find(|bound| **bound >= hdr * 1.02).copied().expect("a bound");
        eprintln!("{name} {key}: HDR {hdr:.6} s, Prometheus {theirs:.6} s, in {below}..={above}");
        assert!((below..=above).contains(&theirs), "{key}: {hdr} and {theirs}");
    }
}

#[test]
fn prometheus_answers_every_panel_and_rule_for_every_value_of_the_variables() {
    const TEST: &str = "prometheus_answers_every_panel_and_rule_for_every_value_of_the_variables";
    let all = [Loaded::start("mahavishnu", false), Loaded::start("akosha", true)];
    let servers: Vec<&Server> = all.iter().map(|loaded| &loaded.server).collect();
    let Some(prometheus) = Prometheus::start(TEST, &servers) else { return };
    load(&prometheus, &all);
    ask_every_panel(&prometheus);
    ask_every_rule(&prometheus);
    for (name, server) in SERVERS[1..].iter().zip(servers) {
        percentiles_agree(&prometheus, name, server);
        check_metrics(TEST, &http::get(server.metrics, "/metrics").body);
    }
}

#[test]
fn promtool_accepts_configuration_and_rules_and_alerts_fire_when_they_should() {
    const TEST: &str = "promtool_accepts_configuration_and_rules";
    let here = tools::root().join("dashboards/prometheus");
    promtool(TEST, &["check", "config"], &here.join("prometheus.yml"));
    promtool(TEST, &["check", "rules"], &here.join("recording.yml"));
    promtool(TEST, &["check", "rules"], &here.join("alerts.yml"));
    promtool(TEST, &["test", "rules"], &here.join("alerts_test.yml"));
    promtool(TEST, &["test", "rules"], &here.join("burn_test.yml"));
}
