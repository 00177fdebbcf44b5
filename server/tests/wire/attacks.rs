//! A part of scripts/attack, a second each: what is shared cannot be taken from outside. The floods
//! are in floods.rs; what a small channel waits meanwhile is for the whole script and its machine.

use std::process::Command;

use crate::support::tools::{python, root};
use serde_json::Value;

/// Words of the names of attacks.
const ATTACKS: &[&str] = &["fresh names", "/metrics", "one shard", "idle kept", "heads"];

#[test]
fn what_is_shared_cannot_be_taken_from_outside() {
    let Some(python) = python("attacks", "python") else { return };
    let mut command = Command::new(python);
    command.arg(root().join("scripts/attack")).args(["--quick", "--json"]);
    command.args(["--program", crate::support::PROGRAM]);
    command.args(ATTACKS.iter().flat_map(|word| ["--only", word]));
    let output = command.output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect(&said);
    assert_eq!(rows.len(), ATTACKS.len(), "{rows:?}");
    for row in &rows {
        assert_eq!(row["faults"], serde_json::json!([]), "{row}\n{said}");
    }
    assert!(output.status.success(), "{}\n{said}", output.status);
}
