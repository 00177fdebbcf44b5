//! Every alert has a test, a section of the runbook and a panel that shows why it fires.

use std::collections::HashMap;
use std::fs;

use crate::support::prometheus::dashboard;
use crate::support::tools;
use serde_json::Value;
use uringcast_server::metrics::table::TABLE;

fn read(path: &str) -> String {
    fs::read_to_string(tools::root().join(path)).expect("a file")
}

struct Alert {
    name: String,
    expr: String,
    annotations: String,
}

impl Alert {
    fn all() -> Vec<Alert> {
        let mut known = HashMap::<String, String>::new();
        let alerts = read("dashboards/prometheus/alerts.yml");
        let one = |text: &str| {
            let (head, annotations) = text.split_once("annotations:").expect("annotations");
            let (name, expr) = head.split_once('\n').expect("an expression");
            let first = annotations.lines().next().unwrap_or_default().trim();
            // An alert may have the annotations of another one.
            let annotations = match first.strip_prefix('*') {
                Some(alias) => known[alias].clone(),
                None => annotations.to_owned(),
            };
            let alias = first.strip_prefix('&');
            known.extend(alias.map(|alias| (alias.to_owned(), annotations.clone())));
            Alert { name: name.to_owned(), expr: expr.to_owned(), annotations }
        };
        alerts.split("- alert: ").skip(1).map(one).collect()
    }

    /// The value of an annotation.
    fn annotation(&self, key: &str) -> &str {
        let found = self.annotations.lines().find_map(|line| line.trim().strip_prefix(key));
        found.unwrap_or_else(|| panic!("{}: no {key}", self.name)).trim().trim_matches('"')
    }
}

#[test]
fn every_alert_has_a_test_that_lets_it_fire() {
    let tests = read("dashboards/prometheus/alerts_test.yml");
    let alerts = Alert::all();
    assert_eq!(alerts.len(), 27);
    for Alert { name, .. } in alerts {
        assert!(tests.contains(&name), "{name}: no case in alerts_test.yml");
    }
}

#[test]
fn every_alert_leads_to_its_section_of_the_runbook() {
    const URL: &str = "file:///usr/share/doc/uringcast/RUNBOOK.md#";
    let runbook = read("docs/RUNBOOK.md");
    let mut sections: Vec<&str> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts = Alert::all();
    for alert in &alerts {
        let url = alert.annotation("runbook_url:");
        let anchor = url.strip_prefix(URL).unwrap_or_else(|| panic!("{}: {url}", alert.name));
        let is_its = |title: &str| {
            title.to_lowercase().replace(", ", "-") == anchor
                && title.split(", ").any(|one| one == alert.name)
        };
        assert!(sections.iter().any(|title| is_its(title)), "{} leads to #{anchor}", alert.name);
    }
    sections.retain(|title| {
        !title.split(", ").all(|name| alerts.iter().any(|alert| alert.name == name))
    });
    assert!(sections.is_empty(), "no alert leads to {sections:?}");
}

#[test]
fn the_operator_s_table_has_every_alert_with_its_severity() {
    let page = read("docs/MONITORING.md");
    let row = |name: &str| page.lines().find(|line| cells(line)[1].contains(&format!("`{name}`")));
    for Alert { name, expr, .. } in Alert::all() {
        let severity = expr.split_once("severity: ").expect("a severity").1;
        let severity = severity.split([' ', '}']).next().unwrap_or_default();
        let row = row(&name).unwrap_or_else(|| panic!("{name}: no row in docs/MONITORING.md"));
        let [_, names, _, severities, _] = cells(row)[..] else { panic!("{row}") };
        let place = names.split(", ").position(|one| one.contains(&format!("`{name}`")));
        let all: Vec<&str> = severities.trim().split(", ").collect();
        // One for all alerts of the row, or one for each.
        let told = all.get(place.unwrap_or_default()).or(all.first());
        assert_eq!(told, Some(&severity), "{name}: {row}");
    }
}

/// The cells of a table's row, with what is outside of it; of another line two.
fn cells(line: &str) -> Vec<&str> {
    let cells: Vec<&str> = line.split('|').collect();
    if cells.len() > 1 { cells } else { vec![line, ""] }
}

/// The metrics of an expression, or of what its recordings record.
fn metrics(expr: &str) -> Vec<&'static str> {
    let mut all = expr.to_owned();
    for recorded in read("dashboards/prometheus/recording.yml").split("- record: ").skip(1) {
        let (name, its) = recorded.split_once('\n').expect("an expression");
        if expr.contains(name) {
            all += its;
        }
    }
    TABLE.iter().map(|row| row.name).filter(|name| all.contains(name)).collect()
}

#[test]
fn every_alert_leads_to_a_panel_that_shows_its_metric() {
    const URL: &str = "http://127.0.0.1:3000/d/";
    let dashboards = ["websocket.json", "engine.json"].map(dashboard);
    for alert in Alert::all() {
        let name = &alert.name;
        let url = alert.annotation("dashboard_url:");
        let (uid, query) = url.strip_prefix(URL).and_then(|url| url.split_once('?')).expect(url);
        let named = |dashboard: &&Value| dashboard["uid"] == uid;
        let dashboard = dashboards.iter().find(named).unwrap_or_else(|| panic!("{name}: {uid}"));
        let mut panel = None;
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let mut variables = dashboard["templating"]["list"].as_array().expect("list").iter();
            match key.strip_prefix("var-") {
                Some(variable) => {
                    assert!(variables.any(|one| one["name"] == variable), "{name}: {variable}");
                    assert_eq!(value, format!("{{{{ $labels.{variable} }}}}"), "{name}");
                }
                None => {
                    assert_eq!(key, "viewPanel", "{name}");
                    let mut panels = dashboard["panels"].as_array().expect("panels").iter();
                    panel = panels.find(|panel| panel["id"].as_u64() == value.parse().ok());
                }
            }
        }
        let panel = panel.unwrap_or_else(|| panic!("{name}: no panel at {url}"));
        // No panel shows `up`: where a server is down its lines end.
        if !alert.expr.contains("up{") {
            let shown = metrics(&panel["targets"].to_string());
            let why = metrics(&alert.expr);
            assert!(why.iter().any(|one| shown.contains(one)), "{name}: {why:?} of {shown:?}");
        }
    }
}
