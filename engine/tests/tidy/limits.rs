//! docs/LIMITS.md: every bound with its value and its reason, and who has which share of it.

use std::fs;

use super::{root, shares};

/// The constants of a limits file, in its order.
struct File {
    heading: &'static str,
    path: &'static str,
    constants: Vec<Constant>,
}

struct Constant {
    name: String,
    value: String,
    why: String,
}

/// All bounds.
pub(super) struct Limits(Vec<File>);

impl Limits {
    /// Reads the limits files.
    pub(super) fn read() -> Limits {
        let files = [
            ("Engine", "engine/src/limits.rs"),
            ("An iteration of a shard", "engine/src/limits/turns.rs"),
            ("A connection of the engine", "engine/src/limits/footprint.rs"),
            ("Patterns", "engine/src/limits/audience.rs"),
            ("Presence", "engine/src/limits/rosters.rs"),
            ("Slow subscribers", "engine/src/limits/slow.rs"),
            ("Event streams", "engine/src/limits/event_ids.rs"),
            ("Drains", "engine/src/limits/drains.rs"),
            ("Classes of channels", "engine/src/limits/channel_classes.rs"),
            ("Compressed broadcasts", "engine/src/limits/channel_contexts.rs"),
            ("Lanes between shards", "engine/src/limits/lanes.rs"),
            ("A hand-over", "engine/src/limits/handover.rs"),
            ("A state that is handed over", "engine/src/limits/handover_state.rs"),
            ("History and states", "engine/src/limits/history.rs"),
            ("Publications with an id", "engine/src/limits/repeats.rs"),
            ("Compression", "engine/src/limits/compression.rs"),
            ("External order of channels", "engine/src/limits/feeds.rs"),
            ("Scrapes of an embedder's metrics", "engine/src/limits/scrapes.rs"),
            ("Server", "server/src/limits.rs"),
            ("Cluster", "server/src/limits/cluster_bounds.rs"),
            ("Presence over nodes", "server/src/limits/presence_bounds.rs"),
            ("A hand-over of the server", "server/src/limits/handover_bounds.rs"),
        ];
        Limits(files.map(|(heading, path)| File::read(heading, path)).into())
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().flat_map(|file| &file.constants);
        Some(&all.find(|constant| constant.name == name)?.value)
    }

    /// Whether a limits file has a constant of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text with the value of each constant that it names in braces.
    pub(super) fn with_values(&self, text: &str) -> String {
        let mut pieces = text.split('{');
        let mut said = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').expect("a closing brace");
            let value = self.value(name).unwrap_or_else(|| panic!("no limit {name}"));
            said.push_str(&format!("`{name}` = `{value}`{rest}"));
        }
        said
    }
}

impl File {
    fn read(heading: &'static str, path: &'static str) -> File {
        let text = fs::read_to_string(root().join(path)).expect("a limits file");
        let (mut constants, mut comment) = (Vec::new(), Vec::new());
        for line in text.lines() {
            if let Some(text) = line.strip_prefix("///") {
                comment.push(text.trim());
                continue;
            }
            if let Some(declaration) = line.strip_prefix("pub const ")
                && !declaration.starts_with("fn ")
            {
                let declared = declaration.strip_suffix(';').and_then(|d| d.split_once(" = "));
                let (name, value) = declared.unwrap_or_else(|| panic!("{path}: not read: {line}"));
                let name = name.split(':').next().unwrap_or_default().to_owned();
                constants.push(Constant { name, value: value.into(), why: comment.join(" ") });
            }
            comment.clear();
        }
        File { heading, path, constants }
    }
}

#[test]
fn every_limit_is_documented_with_its_value() {
    let limits = Limits::read();
    let page = root().join("docs/LIMITS.md");
    let wanted = limits_page(&limits);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, &wanted).expect("docs/LIMITS.md is writable");
    }
    let is = fs::read_to_string(&page).unwrap_or_default();
    assert!(is == wanted, "docs/LIMITS.md is out of date: UPDATE_DOCS=1 cargo test --test tidy");
}

fn limits_page(limits: &Limits) -> String {
    let mut page = String::from(
        "# Limits\n\nEvery bound, made by a test from the files that define them. Those named \
         `DEFAULT_…` can be set (docs/SETTINGS.md); the others are fixed.\n",
    );
    page.push_str(&shares::section(limits));
    for File { heading, path, constants } in &limits.0 {
        page.push_str(&format!(
            "\n## {heading}\n\nFrom `{path}`.\n\n| limit | value | why |\n|---|---|---|\n"
        ));
        for Constant { name, value, why } in constants {
            page.push_str(&format!("| `{name}` | `{value}` | {why} |\n"));
        }
    }
    page
}
