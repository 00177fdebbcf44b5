//! The table of metrics, which is docs/METRICS.md, is what a running server exposes and all that
//! dashboards, rules and documents query; and the engine writes every one of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::ws::Client;
use crate::support::{Server, http, tools};
use serde_json::{Value, json};
use uringcast_engine::exposition::FAMILY;
use uringcast_engine::telemetry::{Close, ConnectionError, Count, Gauge, Lag, MessageError};
use uringcast_server::metrics::table::{Kind, Row, TABLE};

/// By name: TYPE, HELP, and the label names of its samples without `le`.
type Exposed = BTreeMap<String, (String, String, BTreeSet<String>)>;

fn exposed(text: &str) -> Exposed {
    let mut all = Exposed::new();
    for line in text.lines() {
        let comment = |what| line.strip_prefix(what).and_then(|rest: &str| rest.split_once(' '));
        if let Some((name, help)) = comment("# HELP ") {
            all.entry(name.into()).or_default().1 = help.into();
        } else if let Some((name, kind)) = comment("# TYPE ") {
            all.entry(name.into()).or_default().0 = kind.into();
        } else if let Some((series, _)) = line.rsplit_once(' ') {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
            let base = base.filter(|base| all.contains_key(*base)).unwrap_or(name);
            let names = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
            let names = names.filter(|name| *name != "le").map(String::from);
            all.get_mut(base).expect("TYPE comes first").2.extend(names);
        }
    }
    all
}

/// The classes are 100: a subscriber's words would use them up, and grow the page.
#[test]
fn subscribers_make_no_classes_and_publishers_do() {
    let server = Server::start("--shards=2");
    let mut client = Client::connect(&server);
    let channels: Vec<String> = (0..100).map(|n| format!("word{n}:x")).collect();
    let reply = client.ask(&json!({"type": "subscribe", "data": {"channels": channels}}));
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    server.settle();
    let page = http::get(server.metrics, "/metrics").body;
    assert!(!page.contains("word"), "{page}");
    server.publish("word7:x", "{}");
    server.wait_metric("websocket_broadcast_total", "channel=\"word7\"", 1.0);
    server.settle();
    let delivered = "uringcast_delivery_duration_seconds_count";
    assert_eq!(server.metric(delivered, "channel=\"word7\""), 1.0);
    assert_eq!(server.metric("websocket_broadcast_total", ""), 1.0);
}

#[test]
fn a_running_server_exposes_the_table_and_nothing_else() {
    let server = Server::start("--slo-p99 5ms --canary-interval 200ms");
    let mut client = Client::connect(&server);
    client.subscribe("room:1");
    server.publish("room:1", "{}");
    client.message();
    server.wait_metric("uringcast_deliveries_total", "", 1.0);
    server.wait_metric("canary_latency_seconds_count", "", 1.0);
    let mut found = exposed(&http::get(server.metrics, "/metrics").body);
    // Those of certificates.
    let wss = Server::start("--auto-cert");
    found.extend(
        exposed(&http::get(wss.metrics, "/metrics").body)
            .into_iter()
            .filter(|(name, _)| name.starts_with("tls_")),
    );
    for row in TABLE.iter() {
        let (kind, help, labels) =
            found.get(row.name).unwrap_or_else(|| panic!("{} is not exposed", row.name));
        assert_eq!((kind.as_str(), help.as_str()), (row.kind.text(), row.help), "{}", row.name);
        let wanted = row.labels.split(' ').filter(|label| !label.is_empty()).map(String::from);
        assert_eq!(labels, &wanted.collect(), "{}", row.name);
    }
    let known: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    let unknown: Vec<_> = found.keys().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}

#[test]
fn names_follow_the_conventions_and_every_metric_has_a_reason() {
    for Row { name, kind, help, reason, .. } in TABLE.iter() {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.') && reason.ends_with('.'), "{name}");
        for unit in ["_ms", "_us", "_ns", "_millis", "_kb", "_percent"] {
            assert!(!name.contains(unit), "{name}: base units");
        }
    }
    let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len(), "no name twice");
}

/// Files that only map a reason to its label and limit: a metric named there is not written there.
const MAPPINGS: [&str; 2] = ["close_reason.rs", "close_report.rs"];

/// The engine's source without tests, the telemetry itself, and the mappings.
fn engine_source(below: &Path, text: &mut String) {
    for entry in fs::read_dir(below).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !["telemetry", "sim", "tests"].contains(&name) {
            engine_source(&path, text);
        } else if path.extension().is_some_and(|e| e == "rs")
            && name != "tests.rs"
            && !MAPPINGS.contains(&name)
        {
            let file = fs::read_to_string(&path).expect("UTF-8");
            text.push_str(file.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        }
    }
}

/// By label, the close reasons and error codes that are counted under it.
fn reasons() -> Vec<(String, Vec<String>)> {
    let root = tools::root().join("engine/src");
    let mut all = Vec::new();
    for (file, function) in [
        ("broker/connection/close_reason.rs", "fn counted_as"),
        ("telemetry/labels.rs", "fn of(code: ErrorCode)"),
    ] {
        let text = fs::read_to_string(root.join(file)).expect("UTF-8");
        let mut reasons = Vec::new();
        for arm in text.split_once(function).expect("the mapping").1.split("=>") {
            // The value of the arm before, then the patterns of the next one.
            for word in arm.split(|c: char| !c.is_alphanumeric() && c != ':') {
                match word.split_once("::") {
                    Some(("CloseReason" | "ErrorCode", _)) => reasons.push(word.to_owned()),
                    Some(("Close" | "ConnectionError" | "MessageError", _)) => {
                        all.push((word.to_owned(), std::mem::take(&mut reasons)));
                    }
                    _ if word == "None" => reasons.clear(),
                    _ => {}
                }
            }
        }
    }
    all
}

#[test]
fn the_engine_writes_every_count_gauge_and_label() {
    let mut source = String::new();
    engine_source(&tools::root().join("engine/src"), &mut source);
    let mut wanted = Vec::new();
    wanted.extend(Count::ALL.iter().map(|what| format!("Count::{what:?}")));
    wanted.extend(Gauge::ALL.iter().map(|what| format!("Gauge::{what:?}")));
    wanted.extend(Close::ALL.iter().map(|what| format!("Close::{what:?}")));
    wanted.extend(Lag::ALL.iter().map(|what| format!("Lag::{what:?}")));
    wanted.extend(ConnectionError::ALL.iter().map(|what| format!("ConnectionError::{what:?}")));
    wanted.extend(MessageError::ALL.iter().map(|what| format!("MessageError::{what:?}")));
    // Those of `Recorder`'s own verbs.
    let by_verb = ["CatchUps", "Recoveries", "DeliveryWrites", "Deliveries", "DeliveryBytes"];
    let by_events = ["EventDeliveries", "EventDeliveryBytes"];
    let verbs = by_verb.iter().chain(&by_events).map(|name| format!("Count::{name}"));
    let verbs: Vec<String> = verbs.collect();
    let word = |text: &str| {
        let end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
        source.match_indices(text).any(|(at, _)| end(&source[at + text.len()..]))
    };
    let reasons = reasons();
    let for_a_reason = |what: &String| {
        let mut of = reasons.iter().filter(|(label, _)| label == what);
        of.any(|(_, reasons)| reasons.iter().any(|reason| word(reason)))
    };
    let written = |what: &String| verbs.contains(what) || word(what) || for_a_reason(what);
    let unwritten: Vec<_> = wanted.iter().filter(|what| !written(what)).collect();
    assert!(unwritten.is_empty(), "nobody writes {unwritten:?}");
    for verb in ["delivered(", "wrote(", "replayed(", "caught_up("] {
        assert!(source.contains(&format!("recorder.{verb}")), "nobody calls {verb}");
    }
}

fn files_below(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files_below(&path, all) } else { all.push(path) }
    }
}

/// Everything that reads metrics: dashboards' expressions, rules, documents.
fn queries() -> Vec<(PathBuf, String)> {
    let root = tools::root();
    let mut all = ["OPERATING", "MONITORING", "PRODUCTION"]
        .map(|page| root.join(format!("docs/{page}.md")))
        .to_vec();
    files_below(&root.join("dashboards"), &mut all);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let text = if path.extension().is_some_and(|e| e == "json") {
            let mut expressions = String::new();
            collect(&serde_json::from_str(&text).expect("JSON"), &mut expressions);
            expressions
        } else {
            text
        };
        (path, text)
    };
    all.into_iter().map(read).collect()
}

/// The values of all keys that hold PromQL.
fn collect(value: &Value, into: &mut String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if ["expr", "query", "definition"].contains(&&**key) => {
                        into.push_str(text);
                        into.push('\n');
                    }
                    value => collect(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// What metrics' names begin with, and no setting's or test's.
const PREFIXES: [&str; 8] = [
    "websocket_",
    "uringcast_",
    "process_",
    "tls_connections",
    "tls_certificate_",
    "tls_reloads",
    "canary_latency",
    "canary_failures",
];

#[test]
fn nobody_asks_for_a_metric_that_is_not_in_the_table() {
    let known: BTreeMap<&str, Kind> = TABLE.iter().map(|row| (row.name, row.kind)).collect();
    let mut count = 0;
    for (path, text) in queries() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        for name in text.split(|c: char| !word(c)) {
            let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if !ours || name.ends_with('_') {
                continue;
            }
            let suffix = ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s));
            let histogram = suffix.and_then(|base| known.get(base)) == Some(&Kind::Histogram);
            let row = known.contains_key(name);
            assert!(row || histogram, "{}: there is no {name}", path.display());
            count += 1;
        }
    }
    assert!(count > 20, "the dashboard alone has more");
}

/// What Prometheus' clients export of every process, and no panel need show.
const OF_EVERY_PROCESS: [&str; 2] = ["process_virtual_memory_bytes", "process_threads"];

#[test]
fn every_metric_is_on_a_panel_or_in_a_rule() {
    let queried: String = queries()
        .into_iter()
        .filter(|(path, _)| path.ancestors().any(|dir| dir.ends_with("dashboards")))
        .filter(|(path, _)| !path.to_string_lossy().ends_with("_test.yml"))
        .map(|(_, text)| text)
        .collect();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names: BTreeSet<&str> = queried.split(|c: char| !word(c)).collect();
    for Row { name, .. } in TABLE.iter() {
        let suffixed = |suffix: &str| names.contains(format!("{name}{suffix}").as_str());
        let shown = names.contains(name) || suffixed("_bucket");
        assert!(shown != OF_EVERY_PROCESS.contains(name), "{name} is shown nowhere, or listed");
    }
}

/// A row as the document writes it.
fn cells(row: &Row) -> (&str, Kind, &str, &str, &str) {
    (row.name, row.kind, row.labels, row.help, row.reason)
}

#[test]
fn the_table_begins_with_the_rows_of_the_engine() {
    let listed: Vec<_> = TABLE.iter().filter(|row| row.group == FAMILY[0].group).collect();
    assert_eq!(listed.len(), FAMILY.len());
    for (listed, own) in listed.into_iter().zip(&FAMILY) {
        assert_eq!(cells(listed), cells(own));
    }
}
