//! The server probes itself as a client would, and its probes are not counted as clients.

use crate::support::ws::Client;
use crate::support::{Server, http, until};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

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
        // A shard's counters appear with its next report: wait for the client's.
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

/// Further listeners at the clients' port that accept no connection. The kernel treats them like
/// the server's own and queues a share of the new connections at each.
fn idle_listeners(server: &Server, count: usize) -> Vec<Socket> {
    let listen = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("a shared port");
        socket.set_reuse_address(true).expect("as the server has it");
        socket.bind(&server.clients[0].into()).expect("the same port");
        socket.listen(16).expect("it listens");
        socket
    };
    (0..count).map(listen).collect()
}

#[test]
fn readiness_ends_while_nobody_gets_in_and_comes_back() {
    let server = Server::start("--shards 2 --canary-interval 100ms");
    let mut client = Client::connect(&server);
    probed_on_all_shards(&server);
    let ready = || http::get(server.control, "/ready");
    assert_eq!(ready().status, 200);
    // So many that no canary reaches a shard by chance.
    let idle = idle_listeners(&server, 500);
    // The listeners themselves are noticed too, perhaps before.
    let answer = until("the server not to be ready", || {
        Some(ready()).filter(|answer| answer.body.contains("The canary of shard "))
    });
    assert_eq!(answer.status, 503, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["error"]["code"], "not_ready", "{body}");
    server.wait_metric("canary_failures_total", "", 3.0);
    let line = server.logged("probes do not arrive: not ready");
    assert!(line.contains("no canary is connected") || line.contains("in time"), "why: {line}");
    client.assert_alive();
    drop(idle);
    until("the server to be ready again", || (ready().status == 200).then_some(()));
    server.logged("probes arrive again: ready");
    probed_on_all_shards(&server);
}
