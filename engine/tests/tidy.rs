//! The house rules that a test can check: which module may import which, where `unsafe` may be,
//! how long files and lines may be, and that documents name what exists: files, limits, tests.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/process_shares.rs"]
mod process_shares;
#[path = "tidy/shard_shares.rs"]
mod shard_shares;
#[path = "tidy/shares.rs"]
mod shares;
#[path = "tidy/threats.rs"]
mod threats;

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file. Tests live beside the code or in `tests.rs`, and count.
const MAX_LINES: usize = 380;
/// Characters of a line.
const MAX_WIDTH: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(below: &Path, is_meant: fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).expect("a readable directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files(&path, is_meant, found);
        } else if is_meant(&path) {
            found.push(path);
        }
    }
}

/// Every file of these directories that `is_meant` accepts, with its text.
fn read_all(directories: &[&str], is_meant: fn(&Path) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for directory in directories {
        files(&root().join(directory), is_meant, &mut found);
    }
    let relative = |path: &Path| {
        let path = path.strip_prefix(root()).expect("below the root");
        path.to_string_lossy().into_owned()
    };
    let read = |path: PathBuf| (relative(&path), fs::read_to_string(&path).expect("UTF-8"));
    found.into_iter().map(read).collect()
}

const PACKAGES: &[&str] = &["engine", "server", "loadgen", "benches"];

/// Every Rust file of the workspace, with its text.
fn all_sources() -> Vec<(String, String)> {
    read_all(PACKAGES, |path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// Everything else that runs: Python, JavaScript, and scripts by their first line.
fn all_scripts() -> Vec<(String, String)> {
    let is_script = |path: &Path| match path.extension() {
        Some(extension) => ["py", "js", "mjs"].iter().any(|known| extension == *known),
        None => fs::read(path).expect("a readable file").starts_with(b"#!"),
    };
    read_all(&[PACKAGES, &["scripts", ".ci"]].concat(), is_script)
}

/// Whether `FILE::FUNCTION` names a function of a file with tests.
fn is_a_test(name: &str) -> bool {
    let Some((file, function)) = name.split_once("::") else { return false };
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    text.contains("test]") && text.contains(&format!("fn {function}("))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_and_lines_stay_short() {
    let mut faults = Vec::new();
    for (path, text) in all_sources().into_iter().chain(all_scripts()) {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, more than {MAX_LINES}"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > MAX_WIDTH {
                faults.push(format!("{path}:{}: longer than {MAX_WIDTH}", number + 1));
            }
        }
    }
    report(&faults);
}

#[test]
fn unsafe_stands_only_in_the_ring_and_in_sync() {
    // The bare ring is the floor the engine is measured against: it shares no code with it.
    let allowed = ["engine/ring/src/", "engine/src/sync/", "benches/src/bare_ring.rs"];
    let word = concat!("unsa", "fe");
    let mut faults = Vec::new();
    for (path, text) in all_sources() {
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let uses = code.filter(|line| line.split_whitespace().any(|w| w == word)).count();
        if uses > 0 && !allowed.iter().any(|place| path.starts_with(place)) {
            faults.push(format!("{path}: {uses} uses of {word}"));
        }
    }
    report(&faults);
}
