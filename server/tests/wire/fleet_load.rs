//! All seven services in one process, each under a small load, and what Prometheus sees of each.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::prometheus::{Prometheus, Target, targets};
use crate::support::ws::{Client, TEXT};
use crate::support::{Server, free_ports, http, tools, until};
use serde_json::json;
use uringcast_server::presets::{self, PresetProtocol};

/// The service whose clients only listen, and what it publishes on.
const FEED: (&str, &str) = ("session-buddy", "metrics");

/// A fleet file with every preset, each on a metrics port of its own.
fn fleet(directory: &Path) -> Server {
    let mut text = String::from("anonymous_publish = true\nserver_name = \"fleet\"\n");
    for (preset, port) in presets::all().iter().zip(free_ports(7)) {
        text += &format!("[[service]]\npreset = {:?}\nmetrics_port = {port}\n", preset.name);
    }
    let config = crate::common::file(directory, "fleet.toml", &text);
    Server::start_on(&format!("--config={config} --port=0 --control-port=0 --shards=2"))
}

/// Ten subscribers and twenty messages a second for some seconds.
fn load(loadgen: &Path, url: &str) -> Child {
    Command::new(loadgen)
        .args(["--url", url, "--connections=10", "--channels=2", "--rate=20", "--duration=6"])
        .args(["--threads=1", "--source-addresses=1", "--max-lateness=60", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("loadgen starts")
}

/// Sends a request that is no upgrade and a message that is no JSON, then a good one.
fn mistakes(server: &Server, place: usize) {
    let mut stranger = TcpStream::connect(server.clients[place]).expect("connected");
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
    let mut client = Client::upgrade(TcpStream::connect(server.clients[place]).expect("connected"));
    client.send(TEXT, b"no JSON");
    client.say(&json!({"type": "ping"}));
    while client.message()["type"] != "pong" {}
}

/// Every panel of the family's dashboard has something for this value of its variable.
fn every_panel_shows(prometheus: &Prometheus, server: &str) {
    for Target { title, expr, .. } in targets("websocket.json") {
        let asked = prometheus.filled(&expr, server, "5m");
        until(&format!("{title}: something for {asked}"), || {
            prometheus.query(&asked).into_iter().find(|value| *value > 0.0)
        });
    }
}

/// Every panel of the engine's dashboard has a series for this value, although the engine's own
/// have another name, and each legend has its labels.
fn every_engine_panel_has_series(prometheus: &Prometheus, server: &str) {
    // This fleet has no objective, no canaries and no certificates.
    const ABSENT: [&str; 4] = ["uringcast_slo_", "canary_", "tls_certificate_", "tls_reloads_"];
    for Target { title, expr, legend } in targets("engine.json") {
        if ABSENT.iter().any(|metric| expr.contains(metric)) {
            continue;
        }
        let asked = prometheus.filled(&expr, server, "5m");
        let found = until(&format!("{title}: a series for {asked}"), || {
            let found = prometheus.series(&asked);
            (!found.is_empty()).then_some(found)
        });
        for label in legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0)) {
            let without = found.iter().find(|labels| labels.get(label).is_none());
            assert!(without.is_none(), "{title}: no {label} in {without:?}");
        }
    }
}

#[test]
fn every_service_of_a_fleet_under_load_is_seen_by_its_name() {
    const TEST: &str = "every_service_of_a_fleet_under_load_is_seen_by_its_name";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let server = fleet(directory.path());
    assert_eq!((server.clients.len(), server.scraped.len()), (7, 7));
    let Some(prometheus) = Prometheus::start(TEST, &[&server]) else { return };
    let first = r#"count(count by (server) (websocket_connection_errors_total)) == 7"#;
    until("Prometheus to have seen each once", || prometheus.query(first).pop());

    let mut loads = Vec::new();
    for (preset, address) in presets::all().iter().zip(&server.clients) {
        if preset.protocol == PresetProtocol::Envelope {
            loads.push((&*preset.name, load(&loadgen, &format!("ws://{address}/"))));
        }
    }
    (0..7).for_each(|place| mistakes(&server, place));
    let place = presets::all().iter().position(|preset| preset.name == FEED.0).expect("there");
    let listener = TcpStream::connect(server.clients[place]).expect("connected");
    let mut listener = Client::upgrade(listener);
    let body = json!({"channel": FEED.1, "event": "metrics.updated", "data": {"top_skills": []}});
    let path = format!("/v1/services/{}/publish", FEED.0);
    let seen = "count(sum by (server) (rate(websocket_broadcast_total[1m])) > 0) == 7";
    until("Prometheus to have seen all of them busy", || {
        assert_eq!(http::post(server.control, &path, &body.to_string()).status, 202);
        listener.say(&json!({"type": "ping"}));
        while listener.message()["type"] != "pong" {}
        prometheus.query(seen).pop()
    });
    every_panel_shows(&prometheus, ".*");
    presets::all().iter().for_each(|preset| every_panel_shows(&prometheus, &preset.name));
    every_engine_panel_has_series(&prometheus, ".*");
    every_engine_panel_has_series(&prometheus, FEED.0);
    for (name, child) in loads {
        let output = child.wait_with_output().expect("loadgen ends");
        assert!(output.status.success(), "{name}: nothing lost, twice or out of order: {output:?}");
    }

    // What the dashboards offer to choose from.
    let offered = prometheus.api("label/server/values?match[]=websocket_connections_total");
    let offered: BTreeSet<&str> =
        offered.as_array().expect("a list").iter().filter_map(|v| v.as_str()).collect();
    assert_eq!(offered, presets::all().iter().map(|preset| preset.name.as_str()).collect());
    // Each port has its own service's series, so that nothing counts twice.
    let twice = r#"count(websocket_connections_total{tls_mode="ws"}) by (server) > 1"#;
    assert!(prometheus.query(twice).is_empty());
}
