//! Autobahn's cases (PyPI `kosoku`) against the session code in its echo mode.

#[allow(dead_code)]
#[path = "../../engine/examples/echo.rs"]
mod echo;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::tools;
use uringcast_engine::Engine;

/// Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, limits, odds and ends, and
/// compression: all that the suite has.
const SECTIONS: [&str; 11] = ["1", "2", "3", "4", "5", "6", "7", "9", "10", "12", "13"];
/// Cases in those sections.
const CASES: usize = 517;
const GOOD: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

#[test]
fn the_session_conforms_to_rfc_6455_and_7692() {
    const TEST: &str = "the_session_conforms_to_rfc_6455_and_7692";
    let Some(kosoku) = tools::python(TEST, "kosoku") else { return };
    let engine = Engine::start(echo::config(([127, 0, 0, 1], 0).into())).expect("it starts");
    let out = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(kosoku);
    command.args(["-m", "fuzzingclient", "-p", "4", "-o"]).arg(out.path());
    command.args(SECTIONS.iter().flat_map(|section| ["-i".into(), format!("{section}.*")]));
    command.arg(format!("ws://{}", engine.local_addrs()[0]));
    let run = command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&run.stderr);

    let index = std::fs::read(out.path().join("index.json"));
    let index = index.unwrap_or_else(|error| panic!("no report: {error}\n{said}"));
    let report: Value = serde_json::from_slice(&index).expect("JSON");
    let cases = report.as_object().and_then(|agents| agents.values().next());
    let cases = cases.and_then(Value::as_object).expect("the cases of one server");

    let (table, bad) = tabulate(cases);
    // Past the test runner's capture: the table is the result.
    let _ = write!(std::io::stderr(), "{table}");
    assert_eq!(bad, "", "{said}");
    assert_eq!(cases.len(), CASES, "the suite has changed");
}

/// How many cases of each section ended how, and those that are not good.
fn tabulate(cases: &serde_json::Map<String, Value>) -> (String, String) {
    let mut sections: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut bad = String::new();
    for (case, result) in cases {
        let field = |name: &str| result[name].as_str().unwrap_or("NO RESULT");
        let (behavior, close) = (field("behavior"), field("behaviorClose"));
        let section = case.split('.').next().and_then(|section| section.parse().ok());
        let counts = sections.entry(section.expect("a number")).or_default();
        *counts.entry(behavior).or_default() += 1;
        if !GOOD.contains(&behavior) || !GOOD.contains(&close) {
            // Writing to a String cannot fail.
            let _ = writeln!(bad, "{case}: {behavior}, close {close}");
        }
    }
    let mut table = String::from("Autobahn section: results\n");
    for (section, counts) in sections {
        let counts: Vec<_> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
        let _ = writeln!(table, "{section:>16}: {}", counts.join(", "));
    }
    (table, bad)
}
