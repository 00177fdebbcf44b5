//! Channels with a coalescing window: what comes within it is sent together, in order; other
//! channels do not wait.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::ws::Client;
use crate::support::{Server, http};
use serde_json::{Value, json};

const MESSAGES: u64 = 30;

#[test]
fn messages_wait_for_a_window_and_come_in_order() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards {shards} --coalesce ticker:=40ms"));
        let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&server)).collect();
        for client in &mut clients {
            client.subscribe("ticker:1");
            client.subscribe("room:1");
        }
        for n in 0..MESSAGES {
            server.publish("ticker:1", &json!({ "n": n }).to_string());
        }
        server.publish("room:1", "{}");
        for client in &mut clients {
            let mut ticks = 0;
            while ticks < MESSAGES {
                let message = client.message();
                if message["room"] == "ticker:1" {
                    assert_eq!(message["data"]["n"], ticks, "{message}");
                    ticks += 1;
                }
            }
        }
        server.settle();
        let longest = |class: &str| -> f64 {
            let path = format!("/debug/latency?kind=delivery&class={class}");
            let answer: Value =
                serde_json::from_str(&http::get(server.control, &path).body).unwrap();
            let latencies = &answer["since_start"]["latencies"][0];
            assert_eq!(latencies["count"], if class == "room" { 4 } else { 4 * MESSAGES });
            latencies["max"].as_f64().unwrap()
        };
        // The first message of a window waits for all of it, but for the timer's precision.
        assert!(longest("ticker") >= 0.039 * 0.98, "nothing has waited");
        longest("room");
    }
}
