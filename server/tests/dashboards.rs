//! The dashboards query only what a server exposes, and are valid for Grafana.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::tools;

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
fn every_panel_uses_both_variables_and_the_chosen_data_source() {
    for name in ALL {
        let dashboard = parse(name);
        for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
            let title = panel["title"].as_str().expect("a title");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            for target in panel["targets"].as_array().expect("targets") {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
                let expression = target["expr"].as_str().expect("an expression");
                for variable in [r#"{server=~"$server""#, "$interval"] {
                    assert!(expression.contains(variable), "{name}: {title}: {expression}");
                }
            }
        }
    }
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
        assert_eq!(names, ["datasource", "server", "interval"], "{name}");
        assert_eq!(variables[0]["query"], "prometheus");
        assert_eq!(variables[0]["current"]["value"], "prometheus");
        assert_eq!(
            (&variables[1]["includeAll"], &variables[1]["allValue"]),
            (&true.into(), &".*".into())
        );
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
    let types = include_str!("scripts/grafana_dashboard.ts");
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
