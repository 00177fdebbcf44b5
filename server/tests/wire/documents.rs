//! What the documents say of flags, ports, variables and each other is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::tools::{python, root, typedoc};
use uringcast_server::args;
use uringcast_server::presets;
use uringcast_server::settings::TABLE;

/// Every document for readers, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut all = vec![root().join("README.md"), root().join("benches/peers/README.md")];
    for dir in ["docs", "docs/decisions"] {
        let files = fs::read_dir(root().join(dir)).expect("a directory");
        let files = files.map(|entry| entry.expect("an entry").path());
        all.extend(files.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        (path, text)
    };
    all.into_iter().map(read).collect()
}

/// Text without what is between fences.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What is between fences, as one text.
fn code(text: &str) -> String {
    text.split("```").skip(1).step_by(2).collect()
}

/// Headings as GitHub makes anchors of them.
fn anchors(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let (mut faults, mut links) = (Vec::new(), 0);
    for (path, text) in documents() {
        let text = prose(&text);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap_or(Path::new("")).join(file),
            };
            let there = fs::read_to_string(&target);
            let there = target.is_dir()
                || target.extension().is_some_and(|e| e == "png") && target.exists()
                || there.is_ok_and(|text| anchor.is_empty() || anchors(&text).contains(anchor));
            if !there {
                faults.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(faults, [""; 0], "links that lead nowhere");
    assert!(links > 30, "links were not found: {links}");
}

/// Its build fails for a page without a place in the order, and for a link that leads nowhere.
#[test]
fn the_documents_build_as_a_site_with_search() {
    const TEST: &str = "the_documents_build_as_a_site_with_search";
    let tools = [python(TEST, "mkdocs"), python(TEST, "pdoc"), typedoc(TEST)];
    if tools.iter().any(Option::is_none) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(root().join("scripts/site")).arg(dir.path()).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    for page in ["index.html", "docs/TUTORIAL/index.html", "docs/decisions/index.html"] {
        assert!(dir.path().join(page).exists(), "{page}");
    }
    let index = fs::read_to_string(dir.path().join("search/search_index.json")).expect("an index");
    assert!(index.contains("docs/TUTORIAL/#miss-nothing"), "the tutorial cannot be found");
    for (page, texts) in [
        ("api/javascript/classes/uringcast.Client.html", ["bufferedAmount", "subscribe"]),
        ("api/javascript/interfaces/uringcast.Options.html", ["getToken", "transport"]),
        ("api/python/uringcast.html", ["get_token", "on_gap"]),
    ] {
        let page = fs::read_to_string(dir.path().join(page)).expect(page);
        assert!(texts.iter().all(|text| page.contains(text)), "{texts:?} are not described");
    }
}

/// Flags of the server and of its commands.
fn flags() -> BTreeSet<String> {
    let mut command = args::command();
    command.build();
    let commands = command.get_subcommands().chain([&command]);
    let of = |command: &clap::Command| -> Vec<String> {
        let names = command.get_arguments().flat_map(|argument| {
            let aliases = argument.get_visible_aliases().unwrap_or_default();
            argument.get_long().into_iter().chain(aliases)
        });
        names.map(|name| format!("--{name}")).collect()
    };
    commands.flat_map(of).collect()
}

#[test]
fn flags_that_documents_show_with_the_server_exist() {
    let known = flags();
    let (mut faults, mut seen) = (Vec::new(), 0);
    for (path, text) in documents() {
        // Commands: a line of code and those it goes on to, or a quotation.
        let code = code(&text).replace("\\\n", " ");
        let prose = prose(&text);
        let quoted = prose.split('`').skip(1).step_by(2);
        for command in code.lines().chain(quoted) {
            if command.contains("cargo test") {
                continue;
            }
            let Some((_, arguments)) = command.split_once("uringcast-server") else { continue };
            for flag in arguments.split_whitespace().filter(|word| word.starts_with("--")) {
                let flag = flag.split(['=', '\'', ',', ';', ')', '.']).next().unwrap_or(flag);
                seen += 1;
                if flag != "--" && !known.contains(flag) {
                    faults.push(format!("{}: {flag}", path.display()));
                }
            }
        }
    }
    assert_eq!(faults, [""; 0], "flags that do not exist");
    assert!(seen > 20, "commands were not found: {seen}");
}

/// The part of a document under a heading, down to the next one of the same depth or less.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let body = &text[start + heading.len() + 2..];
    let depth = heading.chars().take_while(|c| *c == '#').count();
    let ends = (2..=depth).filter_map(|depth| body.find(&format!("\n{} ", "#".repeat(depth))));
    &body[..ends.min().unwrap_or(body.len())]
}

#[test]
fn the_migration_guide_says_of_every_service_what_its_preset_says() {
    let guide = fs::read_to_string(root().join("docs/MIGRATING.md")).expect("docs/MIGRATING.md");
    for preset in presets::all() {
        let part = section(&guide, &format!("### {}", preset.name));
        let sources = args::preset_sources(preset);
        let number = |name: &str| sources.text(name).expect("a preset has ports");
        let start = format!(
            "`uringcast-server --preset {}`: port {}, metrics {}",
            preset.name,
            number("port"),
            number("metrics_port")
        );
        assert!(part.contains(&start), "{}: {start}", preset.name);
        assert!(part.contains(&format!("`{}_…`", preset.environment)), "{}", preset.name);
        let table: toml::Table = toml::from_str(preset.text).expect("TOML");
        let variables = table.get("variables").map(ToString::to_string).unwrap_or_default();
        let word = |c: char| c.is_ascii_uppercase() || c == '_';
        let names = variables.split(|c| !word(c)).filter(|name| name.len() > 3);
        for name in names {
            assert!(part.contains(&format!("`{name}`")), "{}: {name}", preset.name);
        }
        for channel in preset.channels.iter().filter(|channel| channel.request.is_some()) {
            let request = &channel.request.as_ref().expect("filtered").event;
            assert!(part.contains(&format!("`{request}`")), "{}: {request}", preset.name);
        }
    }
}

#[test]
fn settings_that_the_migration_guide_names_exist() {
    let guide = fs::read_to_string(root().join("docs/MIGRATING.md")).expect("docs/MIGRATING.md");
    let rows = section(&guide, "## Settings").lines().filter(|line| line.starts_with("| `"));
    let mut arguments = 0;
    for row in rows {
        let name = row.split('`').nth(3).expect("two quotations");
        assert!(TABLE.iter().any(|setting| setting.name == name), "{row}");
        arguments += 1;
    }
    assert!(arguments >= 15, "the table was not found");
}

#[test]
fn every_document_is_in_the_list_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for entry in fs::read_dir(root().join("docs")).expect("docs") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            let listed = [format!("`docs/{name}`"), format!("](docs/{name})")];
            assert!(listed.iter().any(|text| readme.contains(text)), "README.md: docs/{name}");
        }
    }
}
