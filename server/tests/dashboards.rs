//! The dashboard asks for what the server exposes.

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use support::{Server, http};

/// Names, labels and functions in a PromQL text, in order.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

#[test]
fn every_panel_uses_both_variables_and_metrics_that_the_server_exposes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards/websocket.json");
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("a dashboard")).expect("JSON");
    let server = Server::start("");
    // A channel class has series from its first message on.
    server.publish("room:1", "{}");
    server.wait_metric("websocket_broadcast_total", "channel=\"room\"", 1.0);
    let exposed = http::get(server.metrics, "/metrics").body;
    let names: BTreeSet<&str> = exposed
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let panels = dashboard["panels"].as_array().expect("panels");
    assert_eq!(panels.len(), 8);
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            assert!(expression.contains("$server"), "{title}: {expression}");
            assert!(expression.contains("$interval"), "{title}: {expression}");
            let asked: Vec<&str> =
                words(expression).filter(|word| word.starts_with("websocket_")).collect();
            assert!(!asked.is_empty(), "{title}: {expression}");
            for metric in asked {
                let name = metric.trim_end_matches("_bucket");
                assert!(names.contains(name), "{title}: the server has no {name}");
            }
        }
    }
}
