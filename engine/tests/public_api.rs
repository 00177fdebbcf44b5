//! The list of what the engine promises to programs that embed it: `public_api.txt`.
//!
//! Read from the source as rustfmt lays it out. Not in it are trait implementations, the constants
//! of `limits` (docs/LIMITS.md has them) and what is `#[doc(hidden)]`.

use std::fs;
use std::path::{Path, PathBuf};

fn engine() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a file shows to others: its modules, and names with the module that they come from.
#[derive(Default)]
struct Shown {
    modules: Vec<String>,
    names: Vec<(String, String)>,
}

impl Shown {
    fn of(text: &str) -> Shown {
        let mut shown = Shown::default();
        let mut hidden = false;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("#[") {
                hidden |= line.starts_with("#[doc(hidden)]") || line.starts_with("#[cfg(");
                continue;
            }
            if let Some(module) = line.strip_prefix("pub mod ").and_then(|m| m.strip_suffix(';')) {
                shown.modules.extend((!hidden).then(|| module.to_owned()));
            } else if let Some(first) = line.strip_prefix("pub use ") {
                let mut list = first.to_owned();
                while !list.ends_with(';') {
                    list += lines.next().expect("the end of a list").trim();
                }
                if !hidden {
                    shown.add(list.trim_end_matches(';'));
                }
            }
            hidden = false;
        }
        shown
    }

    fn add(&mut self, list: &str) {
        let (from, names) = list.rsplit_once("::").expect("a path");
        let from = from.strip_prefix("crate::").unwrap_or(from);
        let names = names.trim_matches(['{', '}']).split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty());
        self.names.extend(names.map(|name| (from.to_owned(), name.to_owned())));
    }
}

/// The source files of a module, tests aside.
fn files(module: &Path) -> Vec<PathBuf> {
    let mut found = vec![module.with_extension("rs")];
    let below = fs::read_dir(module).into_iter().flatten();
    for path in below.map(|entry| entry.expect("an entry").path()) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem == "tests" {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.retain(|path| path.exists());
    found.sort();
    found.dedup();
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A declaration without its body, on one line.
fn head(lines: &[&str]) -> String {
    let mut head = String::new();
    for line in lines {
        let line = line.trim();
        let joint = if head.is_empty() || head.ends_with('(') { "" } else { " " };
        head += joint;
        head += line;
        let open = head.matches('(').count() > head.matches(')').count();
        if line.ends_with(['{', ';', '}']) || line.ends_with(',') && !open {
            break;
        }
    }
    let mut end = head.find(" {").unwrap_or(head.len());
    if head.starts_with("pub const ") {
        end = head.find(" =").unwrap_or(end);
    }
    if head.starts_with("pub struct ") && !head.contains("(pub ") {
        end = head.find('(').unwrap_or(end);
    }
    head[..end].trim_end_matches([';', ',']).replace(",)", ")").replace(", )", ")")
}

/// The members of a declaration or an implementation that begins at the first of `lines`.
fn members(lines: &[&str], is_member: impl Fn(&str) -> bool) -> Vec<String> {
    let depth = indent(lines[0]);
    let mut found = Vec::new();
    let mut hidden = false;
    for (at, line) in lines.iter().enumerate().skip(1) {
        if line.trim() == "}" && indent(line) == depth {
            break;
        }
        if indent(line) == depth + 4 {
            let line = line.trim();
            if line.starts_with("#[") {
                hidden |= line.starts_with("#[doc(hidden)]") || line.starts_with("#[cfg(");
            } else if !line.starts_with("//") {
                if is_member(line) && !hidden {
                    found.push(head(&lines[at..]));
                }
                hidden = false;
            }
        }
    }
    found
}

/// The type that an inherent implementation is of.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?.strip_suffix(" {")?;
    let of = match rest.strip_prefix('<') {
        Some(_) => rest.split_once("> ")?.1,
        None => rest.trim_start(),
    };
    (!of.contains(" for ")).then(|| of.split('<').next().unwrap_or(of))
}

fn is_variant(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_uppercase())
}

/// A name's declaration and members, as lines of the list.
fn describe(module: &Path, name: &str, list: &mut String) {
    let mut declared = false;
    let mut methods = Vec::new();
    for file in files(module) {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.trim().splitn(3, ' ').collect();
            let named =
                |word: &str| word.split(['(', '<', ';', ':', '{', ' ']).next() == Some(name);
            match words[..] {
                ["pub", kind @ ("struct" | "enum" | "trait"), rest]
                    if named(rest.split(' ').next().unwrap_or(rest)) =>
                {
                    declared = true;
                    *list += &format!("{}\n", head(&lines[at..]));
                    let wanted = |line: &str| match kind {
                        "struct" => line.starts_with("pub "),
                        "enum" => is_variant(line),
                        _ => line.starts_with("fn "),
                    };
                    if line.ends_with('{') {
                        let all = members(&lines[at..], wanted);
                        all.iter().for_each(|member| *list += &format!("    {member}\n"));
                    }
                }
                ["pub", "fn" | "const" | "type", rest] if named(rest) && !line.starts_with(' ') => {
                    declared = true;
                    *list += &format!("{}\n", head(&lines[at..]));
                }
                [first, "{"] if first == name && text.contains("labels! {") => {
                    declared = true;
                    *list += &format!("pub enum {name} with ALL, COUNT, label()\n");
                    let all = members(&lines[at..], is_variant);
                    all.iter().for_each(|member| *list += &format!("    {member}\n"));
                }
                [index] if named(index) && text.contains("indices! {") => {
                    declared = true;
                    *list += &format!("pub struct {} with index()\n", index.trim_end_matches(';'));
                }
                _ => {}
            }
            if implemented(line) == Some(name) {
                methods.extend(members(&lines[at..], |line| line.starts_with("pub ")));
            }
        }
    }
    assert!(declared, "{name} is not declared in {}", module.display());
    methods.sort();
    methods.retain(|method| !method.starts_with("pub(crate)"));
    methods.iter().for_each(|method| *list += &format!("    {method}\n"));
}

/// What a public module declares itself and shows of others.
fn describe_module(file: &Path, list: &mut String) {
    let text = read(file);
    let mut shown = Shown::of(&text).names;
    shown.sort_by(|a, b| a.1.cmp(&b.1));
    let own = file.with_extension("");
    for (from, name) in shown {
        let inside = own.join(&from);
        let module =
            if files(&inside).is_empty() { engine().join("src").join(&from) } else { inside };
        describe(&module, &name, list);
    }
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        if let ["pub", "struct" | "enum" | "trait" | "fn" | "const" | "type", rest] = words[..] {
            let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
            describe(&own, name.expect("a name"), list);
        }
    }
}

fn public_api() -> String {
    let source = engine().join("src");
    let root = Shown::of(&read(&source.join("lib.rs")));
    let mut list = String::from("# At the crate's root\n");
    let mut names = root.names;
    names.sort_by(|a, b| a.1.cmp(&b.1));
    let mut modules: Vec<(String, PathBuf)> =
        root.modules.iter().map(|name| (name.clone(), source.join(format!("{name}.rs")))).collect();
    for (from, name) in names {
        let module = source.join(&from).join(format!("{name}.rs"));
        match module.exists() && !is_variant(&name) {
            true => modules.push((name, module)),
            false => describe(&source.join(from), &name, &mut list),
        }
    }
    modules.sort();
    for (name, file) in modules {
        list += &format!("\n# {name}\n");
        match name.as_str() {
            "limits" => list += "docs/LIMITS.md\n",
            _ => describe_module(&file, &mut list),
        }
    }
    list
}

#[test]
fn what_is_public_is_in_the_list() {
    let path = engine().join("tests/public_api.txt");
    let wanted = public_api();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the list is writable");
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    let gone: Vec<&str> =
        is.lines().filter(|line| !wanted.lines().any(|one| one == *line)).collect();
    let new: Vec<&str> =
        wanted.lines().filter(|line| !is.lines().any(|one| one == *line)).collect();
    assert!(
        is == wanted,
        "the public API changed: gone {gone:#?}, new {new:#?}. Say it in CHANGELOG.md, then \
         UPDATE_DOCS=1 cargo test -p uringcast-engine --test public_api"
    );
}
