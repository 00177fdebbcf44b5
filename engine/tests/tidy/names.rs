//! Names of files: one meaning each, and documents name only those that exist.

use std::collections::BTreeMap;
use std::fs;

use super::imports::is_test;
use super::{all_sources, report, root};

/// Names that several files of `src` folders have, each with its one meaning.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("access", "who may connect to a service, and what for: the setting and its reader"),
    ("args", "the command line of a program"),
    ("auth", "authentication, by the part that does it"),
    ("channels", "the listing of channels: the engine's and its HTTP route"),
    ("client", "a WebSocket client of a tool"),
    ("config", "what an engine or a server is started with"),
    ("connect", "making a WebSocket connection: the verifier's and the race's"),
    ("connections", "finding connections: the engine's API and its HTTP route"),
    ("credentials", "what a tool shows a secured server"),
    ("disconnect", "ending clients from outside: the API, the broker, the HTTP route"),
    ("doctor", "whether a machine can carry what is asked of it: the server's and loadgen's"),
    ("drain", "closing clients at a pace: a shard's end and the HTTP route"),
    ("envelope", "the JSON envelope: the server's reader and a tool's"),
    ("environment", "what a finding depends on outside the program"),
    ("error", "the errors of a part"),
    ("frame", "RFC 6455 frames: the server's codec and that of tools"),
    ("inflater", "inflates compressed messages: the server's those of clients, and a tool's"),
    ("lib", "cargo's name for the root of a library"),
    ("limits", "bounds: of the engine, of the server, and the doctor's of the system"),
    ("log", "Channel logs are the broker's; the server's writes lines for people"),
    ("handover", "handing all over to another process: the state, and each component's part"),
    ("history", "what a channel's log holds, read by request: bounds, request and answer"),
    ("main", "cargo's name for the root of a program"),
    ("publisher", "what publishes: the engine's handle and the load generator's load"),
    ("run", "a program's main work, from settings to exit"),
    ("recorder", "counters and histograms of the thread that measures"),
    ("session", "a protocol's state for one connection: WebSocket, TLS"),
    ("states", "state documents of channels: requests, the hub's, the channels'"),
    ("status", "a channel's status: documents and requests"),
    ("table", "one row for each metric: name, kind, labels, help"),
    ("tls", "TLS, by the part that does or configures it"),
    ("upgrade", "the HTTP upgrade to WebSocket: codec, server's steps, tools'"),
];

#[test]
fn no_file_name_has_two_meanings() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, _) in all_sources() {
        if !file.contains("/src/") || is_test(&file) {
            continue;
        }
        let stem = file.rsplit('/').next().and_then(|name| name.strip_suffix(".rs"));
        files.entry(stem.unwrap_or_default().to_owned()).or_default().push(file);
    }
    files.retain(|_, files| files.len() > 1);
    let mut faults = Vec::new();
    let listed: Vec<&str> = SHARED_NAMES.iter().map(|(name, _)| *name).collect();
    for (name, files) in &files {
        if !listed.contains(&name.as_str()) {
            faults.push(format!(
                "{} have one name: rename, or list what they share",
                files.join(", ")
            ));
        }
    }
    for name in listed {
        if !files.contains_key(name) {
            faults.push(format!("{name} is listed and belongs to one file or none: drop the row"));
        }
    }
    report(&faults);
}

#[test]
fn documents_point_at_files_that_exist() {
    let mut faults = Vec::new();
    let sources = all_sources();
    let documents = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
        "docs/ARCHITECTURE.md",
        "docs/MIGRATING.md",
        "docs/MONITORING.md",
        "docs/OPERATING.md",
        "docs/PRODUCTION.md",
        "docs/TESTING.md",
        "engine/ring/README.md",
        "engine/src/lib.rs",
    ];
    for document in documents {
        let Ok(text) = fs::read_to_string(root().join(document)) else {
            faults.push(format!("{document} is missing"));
            continue;
        };
        for quoted in text.split('`').skip(1).step_by(2) {
            // A test is named with its file.
            let quoted = quoted.split("::").next().unwrap_or_default();
            let starts = ["engine/", "server/", "loadgen/", "benches/", "docs/", "scripts/"];
            if quoted.contains([' ', '*', '{', '<', '\n']) {
                continue;
            }
            let exists = if starts.iter().any(|start| quoted.starts_with(start)) {
                root().join(quoted).exists()
            } else {
                let end = format!("/{quoted}");
                !quoted.ends_with(".rs") || sources.iter().any(|(file, _)| file.ends_with(&end))
            };
            if !exists {
                faults.push(format!("{document} names `{quoted}`, which does not exist"));
            }
        }
    }
    report(&faults);
}

/// The files that the numbered list below a heading names, in its order. Paths that do not begin
/// with `engine/` are below `engine/src`.
fn listed_files(document: &str, heading: &str, comment: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("a document");
    let lines = text.lines().map(|line| line.strip_prefix(comment).unwrap_or(line).trim());
    let is_item = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let list = lines.skip_while(|line| *line != heading).skip_while(|line| !is_item(line));
    let list: Vec<&str> = list.take_while(|line| !line.is_empty()).collect();
    let quoted = list.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    let files = quoted.filter(|quoted| quoted.contains('/') && quoted.ends_with(".rs"));
    let full = |file: &str| match file.starts_with("engine/") {
        true => file.to_owned(),
        false => format!("engine/src/{file}"),
    };
    files.map(full).collect()
}

#[test]
fn the_path_of_a_message_is_a_dozen_files_that_exist() {
    let path = listed_files("docs/ARCHITECTURE.md", "## The path of a message", "");
    let missing = path.iter().filter(|file| !root().join(file).is_file());
    let mut faults: Vec<String> =
        missing.map(|file| format!("the path names {file}, which does not exist")).collect();
    if path.is_empty() || path.len() > 12 {
        faults.push(format!("the path names {} files, not 1 to 12", path.len()));
    }
    let in_code = listed_files("engine/src/lib.rs", "# The path of a message", "//!");
    if path != in_code {
        faults.push(format!("engine/src/lib.rs tells another path: {in_code:?}"));
    }
    report(&faults);
}
