//! Several services in one process.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;

use crate::common::{file, read, refusal};
use crate::support::ws::Client;
use crate::support::{Server, free_ports, http};
use serde_json::{Value, json};
use uringcast_server::presets;
use uringcast_server::print_config;

/// A fleet of all seven presets.
fn all_seven(more: impl Fn(usize) -> String) -> String {
    let entry = |(place, preset): (usize, &presets::Preset)| {
        format!("[[service]]\npreset = '{}'\n{}\n", preset.name, more(place))
    };
    presets::all().iter().enumerate().map(entry).collect()
}

fn connect(server: &Server, place: usize) -> Client {
    Client::upgrade(TcpStream::connect(server.clients[place]).unwrap())
}

fn publish(server: &Server, service: &str, event: &str) -> (u16, Value) {
    let path = format!("/v1/services/{service}/publish");
    let body = json!({"channel": "global", "event": event, "data": {"of": service}});
    let answer = http::post(server.control, &path, &body.to_string());
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[test]
fn all_seven_in_one_process_share_nothing_that_clients_see() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "fleet.toml", &all_seven(|_| String::new()));
    let server = Server::start(&format!("--config={config} --shards=3 --server-name=fleet"));
    assert_eq!(server.clients.len(), 7);
    let own: Vec<usize> = (0..7).filter(|p| enveloped(*p)).collect();
    let mut clients: Vec<Client> = own.iter().map(|place| connect(&server, *place)).collect();
    for (client, place) in clients.iter_mut().zip(&own) {
        let welcome = client.message();
        assert_eq!(welcome["data"]["server"], presets::all()[*place].name, "{welcome}");
        client.subscribe("global");
    }
    // Each receives its own service's events only, though all have a channel of that name, and in
    // that service's order.
    for event in ["first.one", "second.one"] {
        for place in own.iter().rev() {
            let (status, answer) = publish(&server, &presets::all()[*place].name, event);
            assert_eq!(status, 202, "{answer}");
        }
    }
    for (client, place) in clients.iter_mut().zip(&own) {
        for (seq, event) in [(1, "first.one"), (2, "second.one")] {
            let told = client.message();
            assert_eq!((&told["event"], &told["seq"]), (&json!(event), &json!(seq)), "{told}");
            assert_eq!(told["data"]["of"], presets::all()[*place].name);
        }
        client.assert_alive();
    }
    for place in own {
        let name = &presets::all()[place].name;
        let labels = format!("server=\"{name}\"");
        assert_eq!(server.wait_metric("websocket_broadcast_total", &labels, 2.0), 2.0);
        assert_eq!(server.wait_metric("websocket_connections_active", &labels, 1.0), 1.0);
        let path = format!("/v1/services/{name}/channels");
        let listed: Value = serde_json::from_str(&http::get(server.control, &path).body).unwrap();
        assert_eq!(listed["channels"].as_array().unwrap().len(), 1, "{name}: {listed}");
    }
    // The engine's own are not any service's.
    server.wait_metric("uringcast_deliveries_total", "server=\"fleet\"", 12.0);
}

/// Whether a preset uses the family's envelope.
fn enveloped(place: usize) -> bool {
    presets::all()[place].protocol == presets::PresetProtocol::Envelope
}

#[test]
fn publishing_names_the_service_where_there_are_several() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "fleet.toml", &all_seven(|_| String::new()));
    let server = Server::start(&format!("--config={config}"));
    assert_eq!(publish(&server, "nobody", "e").0, 404);
    let body = r#"{"channel":"global","event":"e"}"#;
    let answer = http::post(server.control, "/v1/publish", body);
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("/v1/services/NAME") && answer.body.contains("akosha"));
    let alone = Server::start("--preset=akosha");
    assert_eq!(http::post(alone.control, "/v1/publish", body).status, 202);
    assert_eq!(http::post(alone.control, "/v1/services/akosha/publish", body).status, 202);
}

#[test]
fn each_service_may_have_a_metrics_port_with_its_own_series_and_the_engine_s() {
    let dir = tempfile::tempdir().unwrap();
    let ports = free_ports(7);
    let config = all_seven(|place| format!("metrics_port = {}", ports[place]));
    let config = file(dir.path(), "fleet.toml", &config);
    let server = Server::start_on(&format!("--config={config} --port=0 --control-port=0"));
    connect(&server, 0).message();
    for (place, port) in ports.iter().enumerate() {
        let page = http::get(([127, 0, 0, 1], *port).into(), "/metrics").body;
        for other in presets::all() {
            let own = other.name == presets::all()[place].name;
            let series = format!("websocket_connections_total{{server=\"{}\"", other.name);
            assert_eq!(page.contains(&series), own, "{} on port {place}", other.name);
        }
        assert!(page.contains("uringcast_accepts_total{server=\"uringcast\"}"), "{page}");
    }
}

#[test]
fn an_entry_is_stronger_than_the_top_and_a_flag_is_stronger_than_both() {
    let dir = tempfile::tempdir().unwrap();
    let text = "max_connections = 5\n[[service]]\npreset='dhruva'\nport = 1\n\
                [[service]]\npreset = 'akosha'\nmax_connections = 7\nmetrics_port = 3\n";
    let config = file(dir.path(), "fleet.toml", text);
    let values = |flags: &[&str]| {
        let settings = read(flags, &[("DHRUVA_WS_AUTO_CERT", "true")]).unwrap().1;
        let one = |s: &uringcast_server::settings::Settings| {
            (s.port, s.max_connections.0, s.auto_cert, s.source("port").to_string())
        };
        settings.fleet.iter().map(one).collect::<Vec<_>>()
    };
    let entry = format!("{config}, service dhruva");
    let akosha = "preset akosha".to_owned();
    let flags = ["--config", &config, "--max-connections=9"];
    assert_eq!(
        values(&flags[..2]),
        [(1, 5, true, entry.clone()), (8692, 7, false, akosha.clone())]
    );
    assert_eq!(values(&flags), [(1, 9, true, entry), (8692, 9, false, akosha)]);
}

#[test]
fn check_config_prints_a_fleet_that_is_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(
        dir.path(),
        "fleet.toml",
        &("shards = 3\n".to_owned() + &all_seven(|_| String::new())),
    );
    let first = read(&["--config", &config], &[]).unwrap().1;
    let text = print_config::render(&first);
    assert_eq!(text.matches("[[service]]").count(), 7);
    let again = file(dir.path(), "again.toml", &text);
    let again = read(&["--config", &again], &[]).unwrap().1;
    for (a, b) in first.fleet.iter().zip(&again.fleet) {
        let last = a.shown().len() - 1;
        assert_eq!(a.shown()[..last], b.shown()[..last]);
    }
}

#[test]
fn what_is_wrong_with_a_fleet_is_told_with_the_service() {
    let said = |text: &str, flags: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let config = file(dir.path(), "fleet.toml", text);
        let flags: Vec<&str> = ["--config", &config].iter().chain(flags).copied().collect();
        refusal(&flags, &[])
    };
    let two = "[[service]]\npreset = 'akosha'\n[[service]]\npreset = 'dhruva'\n";
    let text = said(&format!("{two}shards = 2\n"), &[]);
    assert!(text.contains("service dhruva): is a setting of all services"), "{text}");
    let text = said(&format!("{two}prot = 2\n"), &[]);
    assert!(text.contains("service dhruva): there is no such") && text.contains("mean port?"));
    let text = said(&format!("{two}port = 'x'\n"), &[]);
    assert!(text.contains("port = \"x\"") && text.contains("service dhruva"), "{text}");
    let text = said(two, &["--preset=akosha"]);
    assert!(text.contains("preset") && text.contains("is for one service"), "{text}");
    let text = said("[[services]]\npreset = 'akosha'\n", &[]);
    assert!(text.contains("services") && text.contains("Did you mean [[service]]?"), "{text}");
    let text = said("service = 5", &[]);
    assert!(text.contains("is no list of 1 to 16 tables"), "{text}");
}

#[test]
fn services_of_a_fleet_do_not_share_ports_or_names() {
    use uringcast_server::config::Config;
    let resolve = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let config = file(dir.path(), "fleet.toml", text);
        let settings = read(&["--config", &config], &[]).unwrap().1;
        Config::resolve(&settings, None)
    };
    let config = resolve(&all_seven(|_| String::new())).unwrap();
    let metrics: Vec<u16> =
        config.metrics.iter().map(|scrape| scrape.addresses[0].port()).collect();
    assert_eq!(metrics, [9090, 9091, 9092, 9093, 9096, 9097, 9098]);
    let one = resolve(&all_seven(|_| "metrics_port = 9400".into())).unwrap();
    assert_eq!((one.metrics.len(), one.metrics[0].services.len()), (1, 7));
    for (more, words) in [
        ("port = 5", "is the clients' port of akosha too"),
        ("port = 5\nmetrics_port = 7", "is the clients' port of akosha too"),
        ("metrics_port = 5", "metrics_port = 5"),
        ("server_name = 'akosha'", "is the name of akosha too"),
        ("server_name = 'a b'", "cannot stand in a path"),
    ] {
        let text = format!(
            "[[service]]\npreset = 'akosha'\nport = 5\n[[service]]\npreset = 'dhruva'\n{more}\n"
        );
        let said = resolve(&text).unwrap_err().to_string();
        assert!(said.contains(words), "{more}: {said}");
    }
}

#[test]
fn a_key_may_be_for_one_service_only() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "ci@akosha key-of-akosha global\nops@akosha key-of-its-ops\nall key-of-all-ops\n";
    let keys = file(dir.path(), "keys", lines);
    let two = "[[service]]\npreset = 'akosha'\n[[service]]\npreset = 'dhruva'\n";
    let config = file(dir.path(), "fleet.toml", two);
    let server = Server::start(&format!("--config={config} --api-keys-file={keys}"));
    let body = r#"{"channel":"global","event":"e"}"#;
    let user = r#"{"user":"nobody"}"#;
    for (key, what, body, statuses) in [
        ("key-of-akosha", "POST /v1/services/NAME/publish", body, [202, 403]),
        ("key-of-its-ops", "POST /v1/services/NAME/publish", body, [202, 403]),
        ("key-of-all-ops", "POST /v1/services/NAME/publish", body, [202, 202]),
        ("key-of-akosha", "GET /v1/services/NAME/channels/global/status", "", [404, 403]),
        ("key-of-akosha", "POST /v1/services/NAME/disconnect", user, [403, 403]),
        ("key-of-its-ops", "POST /v1/services/NAME/disconnect", user, [200, 403]),
        ("key-of-its-ops", "POST /v1/services/NAME/unsubscribe", user, [200, 403]),
        ("key-of-its-ops", "GET /v1/services/NAME/channels", "", [200, 403]),
        ("key-of-its-ops", "GET /debug/live", "", [403, 403]),
        ("key-of-its-ops", "GET /debug/latency", "", [403, 403]),
        ("key-of-all-ops", "GET /debug/live", "", [200, 200]),
    ] {
        for (service, status) in ["akosha", "dhruva"].iter().zip(statuses) {
            let header = format!("X-API-Key: {key}\r\n");
            let answer = http::send(server.control, &what.replace("NAME", service), &header, body);
            assert_eq!(answer.status, status, "{key} {what} {service}: {}", answer.body);
        }
    }
}
