//! The dashboards query only what a server exposes, and are valid for Grafana.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::prometheus::{INTERVALS, Target, promtool, targets};
use crate::support::tools;
use serde_json::Value;
use uringcast_server::metrics::table::{Kind, TABLE};

const ALL: [&str; 2] = ["websocket.json", "engine.json"];
/// The family's panels: titles and ids are what people link to.
const EIGHT: [&str; 8] = [
    "Active Connections",
    "Message Rate (Sent)",
    "Message Rate (Received)",
    "Broadcast Rate",
    "Broadcast Latency p50/p95/p99",
    "Message Latency",
    "Connection Error Rate",
    "Message Error Rate",
];

fn read(name: &str) -> String {
    fs::read_to_string(tools::root().join("dashboards").join(name)).expect("a dashboard")
}

fn parse(name: &str) -> Value {
    serde_json::from_str(&read(name)).expect("JSON")
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

#[test]
fn every_panel_uses_the_variables_and_says_what_no_value_means() {
    for name in ALL {
        // The engine's series have the process's name, which in a fleet is no service's.
        let (variable, intervals): (_, &[&str]) = match name {
            "engine.json" => (r#"instance=~"$instance""#, &["$__rate_interval", "$__range"]),
            _ => (r#"{server=~"$server""#, &["$interval"]),
        };
        let dashboard = parse(name);
        for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
            let title = panel["title"].as_str().expect("a title");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            let words = panel["fieldConfig"]["defaults"]["noValue"].as_str().unwrap_or_default();
            assert!(!words.is_empty(), "{name}: {title}: no words for no value");
            let mut ids = BTreeSet::new();
            for target in panel["targets"].as_array().expect("targets") {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
                assert!(ids.insert(target["refId"].as_str()), "{name}: {title}: a refId twice");
                let expression = target["expr"].as_str().expect("an expression");
                assert!(expression.contains(variable), "{name}: {title}: {expression}");
                let range =
                    |at: &str| intervals.iter().any(|one| at.starts_with(&format!("{one}]")));
                let ranges = expression.split('[').skip(1);
                assert!(ranges.clone().all(range), "{name}: {title}: {expression}");
            }
        }
    }
}

/// A series' labels in the test of bursts: all that a selector or a sum asks for.
const LABELS: &str = "server=\"m\",instance=\"a:1\",job=\"uringcast\",shard=\"0\",version=\"1\"";
/// What other gauges are divided by.
const BOUNDS: [&str; 4] = [
    "uringcast_build_info",
    "uringcast_connections_limit",
    "uringcast_connection_slots",
    "process_max_fds",
];

/// Two scrapes, five seconds apart, see it, and none at a multiple of fifteen seconds.
#[test]
fn a_burst_of_ten_seconds_is_in_every_maximum() {
    const TEST: &str = "a_burst_of_ten_seconds_is_in_every_maximum";
    let mut file = String::from("evaluation_interval: 15s\ntests:\n  - interval: 5s\n");
    file += "    input_series:\n";
    for row in TABLE.iter().filter(|row| row.kind == Kind::Gauge) {
        let values = if BOUNDS.contains(&row.name) { "1x200" } else { "0x99 200x1 0x99" };
        writeln!(file, "      - series: {}{{{LABELS}}}", row.name).expect("a String takes it");
        writeln!(file, "        values: {values}").expect("a String takes it");
    }
    file += "    promql_expr_test:\n";
    let mut asked = 0;
    for Target { expr, .. } in ALL.into_iter().flat_map(targets) {
        if !expr.contains("max_over_time") || expr.contains("rate(") {
            continue;
        }
        let mut filled = expr.replace("$instance", ".*").replace("$server", ".*");
        filled = filled.replace("$shard", ".*").replace("$interval", "5m");
        filled = filled.replace("$__rate_interval", "5m");
        writeln!(file, "      - expr: 'vector(1) and on () (({filled}) > 0)'").expect("it fits");
        file += "        eval_time: 10m\n        exp_samples: [{ labels: '{}', value: 1 }]\n";
        asked += 1;
    }
    assert!(asked > 15, "{asked} maxima");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("burst_test.yml");
    fs::write(&path, file).expect("written");
    promtool(TEST, &["test", "rules"], &path);
}

#[test]
fn dashboards_import_by_upload_and_keep_their_ids() {
    let mut uids = BTreeSet::new();
    for name in ALL {
        let dashboard = parse(name);
        // A numeric id would name a dashboard of the Grafana it came from.
        assert_eq!((&dashboard["id"], &dashboard["refresh"]), (&Value::Null, &"5s".into()));
        assert!(dashboard.get("__inputs").is_none(), "{name} asks nothing");
        uids.insert(dashboard["uid"].to_string());
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
        let expected = match name {
            "engine.json" => &["datasource", "server", "instance", "shard"][..],
            _ => &["datasource", "server", "interval"],
        };
        assert_eq!(names, expected, "{name}");
        assert_eq!(variables[0]["query"], "prometheus");
        assert_eq!(variables[0]["current"]["value"], "prometheus");
        assert_eq!(
            (&variables[1]["includeAll"], &variables[1]["allValue"]),
            (&true.into(), &".*".into())
        );
        match name {
            // All are those that the query finds: the processes that serve what is chosen.
            "engine.json" => assert!(variables[2].get("allValue").is_none()),
            _ => assert_eq!(variables[2]["query"], INTERVALS.join(",")),
        }
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{name}: {panel}");
            let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(x < 24 && taken.insert((x, y)), "{name}: {} overlaps", panel["title"]);
                }
            }
        }
    }
    assert_eq!(uids.len(), ALL.len());
    let family = parse(ALL[0]);
    let eight: Vec<_> = panels(&family).iter().map(|p| (p["id"].as_u64(), &p["title"])).collect();
    let expected: Vec<Value> = EIGHT.iter().map(|title| (*title).into()).collect();
    assert_eq!(eight, (1..).map(Some).zip(&expected).collect::<Vec<_>>());
}

/// Type-checks a dashboard as Grafana's packages type it: what is wrong with it.
fn complaints(dir: &Path, tsc: &Path, dashboard: &str) -> String {
    let types = include_str!("../scripts/grafana_dashboard.ts");
    fs::write(dir.join("grafana_dashboard.ts"), types).expect("written");
    let module = format!(
        "import type {{ Checked }} from \"./grafana_dashboard\";\n\
         export const dashboard: Checked = {dashboard};\n"
    );
    fs::write(dir.join("dashboard.ts"), module).expect("written");
    let flags = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"];
    let resolution = ["--module", "esnext", "--moduleResolution", "bundler", "dashboard.ts"];
    let output = Command::new(tsc).current_dir(dir).args(flags).args(resolution).output();
    let output = output.expect("tsc runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{output:?}");
    said
}

#[test]
fn dashboards_are_what_grafana_s_schema_packages_say() {
    const TEST: &str = "dashboards_are_what_grafana_s_schema_packages_say";
    let Some(tsc) = tools::npm(TEST, ".bin/tsc") else { return };
    let node_modules = tsc.ancestors().nth(2).expect("node_modules");
    // Beside node_modules: that is where imports are looked up.
    let dir = tempfile::tempdir_in(node_modules.parent().expect("the tools")).expect("a directory");
    for name in ALL {
        let said = complaints(dir.path(), &tsc, &read(name));
        assert!(said.is_empty(), "{name}: {said}");
    }
    for (right, wrong) in [
        (r#""refresh": "5s""#, r#""refresh": 5"#),
        (r#""legendFormat""#, r#""legendformat""#),
        (r#""drawStyle": "line""#, r#""drawStyle": "lines""#),
        (r#""showLegend": true"#, r#""showLegends": true"#),
        (r#""type": "timeseries""#, r#""type": "timeserie""#),
    ] {
        let broken = read(ALL[0]).replacen(right, wrong, 1);
        let said = complaints(dir.path(), &tsc, &broken);
        assert!(said.contains("error TS"), "{wrong} was accepted: {said}");
    }
}
