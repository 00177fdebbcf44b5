//! The server checks itself as a client would, and is nobody's client by it.

mod support;

use serde_json::{Value, json};
use support::ws::Client;
use support::{Server, http};

fn probed_on_all_shards(server: &Server) {
    for shard in 0..2 {
        let own = format!("shard=\"{shard}\"");
        server.wait_metric("canary_latency_seconds_count", &own, 2.0);
    }
}

#[test]
fn canaries_reach_every_shard_and_take_no_client_s_place() {
    let server = Server::start("--shards 2 --max-connections 1 --canary-interval 100ms");
    let mut client = Client::connect(&server);
    probed_on_all_shards(&server);
    client.assert_alive();
    for (name, expected) in [
        ("websocket_connections_total", 1.0),
        ("websocket_connections_active", 1.0),
        ("websocket_connection_errors_total", 0.0),
        ("websocket_broadcast_total", 0.0),
        ("uringcast_deliveries_total", 0.0),
    ] {
        // A shard's counters appear with its next report, so a client's are waited for.
        assert_eq!(server.wait_metric(name, "", expected), expected, "{name}");
    }
    // The welcome and the pong of the one client.
    let sent = server.wait_metric("websocket_messages_total", "direction=\"sent\"", 2.0);
    assert_eq!(sent, 2.0);
    let channels = http::get(server.control, "/v1/channels").body;
    let channels: Value = serde_json::from_str(&channels).expect("JSON");
    assert_eq!(channels["channels"], json!([]), "the probes' channel is nobody's business");
    assert_eq!(http::get(server.control, "/ready").status, 200);
}

#[test]
fn nobody_can_name_the_probes_channel() {
    let server = Server::start("--canary-interval 100ms");
    let mut client = Client::connect(&server);
    let reply = client.ask(&json!({"type": "subscribe", "data": {"channel": "\u{1}canary"}}));
    assert_eq!(reply["error_code"], "INVALID_CHANNEL", "{reply}");
    let answer = http::post(server.control, "/v1/publish/raw?channel=%01canary&event=x", "{}");
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[test]
fn canaries_speak_tls_where_clients_do() {
    let server = Server::start("--shards 2 --auto-cert --canary-interval 100ms");
    probed_on_all_shards(&server);
    assert_eq!(http::get(server.control, "/ready").status, 200);
}
