//! Which module may import which.

use std::collections::BTreeSet;

use super::imports::{Imports, is_test};
use super::{all_sources, report};

/// Folders of the engine's source and what they may import. The longest prefix that fits a file
/// counts, so that a folder inside a module can have a row of its own. `lib.rs` has none: it only
/// names.
const ARROWS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("types", &["limits"]),
    ("config", &["limits", "types"]),
    ("telemetry", &["limits", "types"]),
    ("exposition", &["limits", "telemetry", "types"]),
    ("websocket_metrics", &["exposition", "limits", "sync", "telemetry", "types"]),
    ("wire", &["config", "handover", "limits", "types"]),
    ("sync", &["limits", "types"]),
    ("shared_frame", &["limits", "sync", "types"]),
    ("handover", &["limits", "shared_frame", "types"]),
    ("roster", &["handover", "limits", "types"]),
    (
        "broker",
        &["config", "handover", "limits", "roster", "shared_frame", "telemetry", "types", "wire"],
    ),
    (
        "shard",
        &[
            "broker",
            "config",
            "handover",
            "limits",
            "shared_frame",
            "sync",
            "telemetry",
            "types",
            "wire",
        ],
    ),
    ("api", &["broker", "config", "handover", "limits", "shard", "sync", "telemetry", "types"]),
];

/// Whether `path` is `prefix` or below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The row of a module.
fn row_of(module: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    ARROWS.iter().filter(|(row, _)| is_below(module, row)).max_by_key(|(row, _)| row.len())
}

#[test]
fn imports_run_one_way() {
    let mut faults = Vec::new();
    for (file, imported) in Imports::of(&all_sources()).files {
        let Some(module) = file.strip_prefix("engine/src/").and_then(|f| f.strip_suffix(".rs"))
        else {
            continue;
        };
        if module == "lib" || is_test(&file) {
            continue;
        }
        let Some((row, allowed)) = row_of(module) else {
            faults.push(format!("{file}: no row of the table is about it"));
            continue;
        };
        for path in imported.into_values().map(|path| path.join("/")) {
            let inside = row_of(&path).is_some_and(|(of, _)| is_below(of, row));
            if !inside && !allowed.iter().any(|allowed| is_below(&path, allowed)) {
                faults.push(format!("{file}: imports {path}"));
            }
        }
    }
    report(&faults);
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    let next = |row: &str, allowed: &[&str]| -> Vec<&'static str> {
        let reaches = |other: &str| {
            let inside = other != row && is_below(other, row);
            inside
                || allowed
                    .iter()
                    .any(|to| is_below(other, to) || row_of(to).is_some_and(|r| r.0 == other))
        };
        ARROWS.iter().map(|(other, _)| *other).filter(|other| reaches(other)).collect()
    };
    let mut faults = Vec::new();
    for (start, allowed) in ARROWS {
        let (mut seen, mut open) = (BTreeSet::new(), next(start, allowed));
        while let Some(row) = open.pop() {
            if seen.insert(row) {
                open.extend(ARROWS.iter().filter(|(r, _)| *r == row).flat_map(|(r, a)| next(r, a)));
            }
        }
        if seen.contains(start) {
            faults.push(format!("{start} may import itself by way of {seen:?}"));
        }
    }
    report(&faults);
}

#[test]
fn files_import_each_other_in_no_circle() {
    let imports = Imports::of(&all_sources());
    let circles = imports.circles();
    let faults: Vec<_> =
        circles.iter().map(|files| format!("a circle: {}", files.join(" "))).collect();
    report(&faults);
}
