//! The threat model: each attack has a defence, a limit that exists and a test that exists.

use std::fs;

use super::limits::Limits;
use super::{is_a_test, report, root};

const HEAD: &str = "| attack | defence | limit | test |";
const FLOODS: &str = "server/tests/floods.toml";

/// The cells of all rows below heads of this kind.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside = line == HEAD || (inside && line.starts_with('|'));
        if inside && line != HEAD && !line.starts_with("|---") {
            found.push(line.trim_matches('|').split('|').map(str::trim).collect());
        }
    }
    found
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_attack_has_a_limit_and_a_test_that_exist() {
    let text = fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md");
    let settings = fs::read_to_string(root().join("docs/SETTINGS.md")).expect("SETTINGS.md");
    let limits = Limits::read();
    let mut faults = Vec::new();
    let rows = rows(&text);
    for row in &rows {
        let [attack, _, limit, tests] = row[..] else {
            faults.push(format!("{} cells: {row:?}", row.len()));
            continue;
        };
        let is_a_setting = |name: &str| settings.contains(&format!("\n| `{name}` |"));
        let missing = quoted(limit).filter(|name| !limits.has(name) && !is_a_setting(name));
        faults.extend(missing.map(|name| format!("{attack}: no limit or setting {name}")));
        if quoted(tests).next().is_none() {
            faults.push(format!("{attack}: no test"));
        }
        let missing = quoted(tests).filter(|test| !is_a_test(test));
        faults.extend(missing.map(|test| format!("{attack}: no test {test}")));
    }
    let floods = fs::read_to_string(root().join(FLOODS)).expect(FLOODS);
    let floods = floods.lines().filter_map(|line| line.strip_prefix("attack = "));
    for flood in floods.map(|name| name.trim_matches('"')) {
        if !rows.iter().any(|row| row[0] == flood) {
            faults.push(format!("SECURITY.md has no row of the flood {flood}"));
        }
    }
    report(&faults);
}
