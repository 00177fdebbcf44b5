//! Which file imports which: paths in `use` and elsewhere, resolved as the compiler does for
//! modules that are files. Tests may import anything and are left out.

use std::collections::{BTreeMap, BTreeSet};

/// The imports of a workspace: by file, the files it imports and the paths it names them by.
pub(crate) struct Imports {
    pub(crate) files: BTreeMap<String, BTreeMap<String, Path>>,
}

/// Segments of a path from the crate's root.
pub(crate) type Path = Vec<String>;

/// The directory of a file's crate root, and its module path from there.
fn module_of(file: &str) -> Option<(String, Path)> {
    let (package, rest) = file.split_once("/src/")?;
    let (root, rest) = match rest.strip_prefix("bin/").and_then(|bin| bin.split_once('/')) {
        Some((binary, rest)) => (format!("{package}/src/bin/{binary}"), rest),
        // A binary in one file is a crate without modules.
        None if rest.starts_with("bin/") => return None,
        None => (format!("{package}/src"), rest),
    };
    let mut path: Path = rest.strip_suffix(".rs")?.split('/').map(Into::into).collect();
    path.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    Some((root, path))
}

pub(crate) fn is_test(file: &str) -> bool {
    let mut parts = file.split(['/', '.']);
    parts.any(|part| ["tests", "sim", "benches"].contains(&part))
        && !file.starts_with("benches/src/")
}

/// The code without comments, strings that span lines, and items under `#[cfg(test)]`.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            out.push_str(line.split("//").next().unwrap_or_default());
            out.push('\n');
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        lines.find(|line| line.ends_with(';') || line.starts_with(&end));
    }
    out
}

/// Every path of a `use` tree.
fn expand(tree: &str, before: &[String], found: &mut Vec<Path>) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let mut path = before.to_vec();
        path.extend(
            head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(Into::into),
        );
        let (mut depth, mut from) = (0, 0);
        let body = rest.strip_suffix('}').unwrap_or(rest);
        for (at, c) in body.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&body[from..at], &path, found);
                    from = at + 1;
                }
                _ => {}
            }
        }
        expand(&body[from..], &path, found);
    } else if !tree.is_empty() {
        let path = tree.split(" as ").next().unwrap_or_default();
        let parts = path.split("::").map(|part| part.trim().to_owned());
        found.push(before.iter().cloned().chain(parts).collect());
    }
}

/// The paths that a file names, as written, but for those it only passes on by `pub use`.
fn paths(text: &str) -> Vec<Path> {
    let code = code(text);
    let mut found = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let start =
            statement.rfind(['}', '{']).filter(|_| !statement.contains("use ")).unwrap_or(0);
        let line = statement[start..].trim_start();
        let line = line.rsplit("]\n").next().unwrap_or_default().trim_start();
        match line.strip_prefix("use ") {
            Some(tree) => expand(tree.trim_end_matches(';'), &[], &mut found),
            None if line.starts_with("pub") && line.contains(" use ") => {}
            None => rest.push_str(statement),
        }
    }
    for head in ["crate::", "super::", "self::"] {
        for (at, _) in rest.match_indices(head) {
            // `super::super::x` is found by its first `super`.
            if rest[..at].ends_with(|c: char| c == ':' || c == '_' || c.is_alphanumeric()) {
                continue;
            }
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let path = rest[at..].split(|c| !is_part(c)).next().unwrap_or_default();
            found.push(path.split("::").map(Into::into).collect());
        }
    }
    found
}

/// A path as written in module `from`, from the crate's root; `None` for other crates.
fn absolute(
    path: &[String],
    from: &[String],
    is_module: impl Fn(&[String]) -> bool,
) -> Option<Path> {
    let mut base = from.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                (_, rest) = (base.pop(), &rest[1..]);
            }
        }
        child => {
            base.push(child.to_owned());
            if !is_module(&base) {
                return None;
            }
            rest = &rest[1..];
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

impl Imports {
    pub(crate) fn of(sources: &[(String, String)]) -> Imports {
        let mut modules = BTreeMap::new();
        for (file, _) in sources {
            // A library and its `main.rs` share a directory; only the library is imported.
            if let Some(module) = module_of(file).filter(|_| !file.ends_with("/src/main.rs")) {
                modules.insert(module, file.clone());
            }
        }
        let mut files = BTreeMap::new();
        for (file, text) in sources.iter().filter(|(file, _)| !is_test(file)) {
            let Some((root, from)) = module_of(file) else { continue };
            let file_of = |path: &[String]| modules.get(&(root.clone(), path.to_vec()));
            let mut imported = BTreeMap::new();
            for path in paths(text) {
                let Some(path) = absolute(&path, &from, |p| file_of(p).is_some()) else { continue };
                let owner = (0..=path.len()).rev().find_map(|len| file_of(&path[..len]));
                if let Some(owner) = owner.filter(|owner| *owner != file) {
                    imported.insert(owner.clone(), path);
                }
            }
            files.insert(file.clone(), imported);
        }
        Imports { files }
    }

    /// Groups of files each of which reaches all others of its group. A module may import its
    /// children and they it, if the children are in no circle without it; the root of a crate only
    /// names what others import.
    pub(crate) fn circles(&self) -> BTreeSet<Vec<&str>> {
        let is_root = |file: &str| module_of(file).is_none_or(|(_, path)| path.is_empty());
        let files = self.files.keys().map(String::as_str).filter(|file| !is_root(file));
        self.circles_among(&files.collect())
    }

    fn circles_among<'a>(&'a self, files: &BTreeSet<&'a str>) -> BTreeSet<Vec<&'a str>> {
        let mut found = BTreeSet::new();
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            files.iter().map(|file| (*file, self.reach(file, files))).collect();
        for (file, reached) in &reach {
            let mutual = reached.iter().copied().filter(|other| reach[other].contains(file));
            let circle: BTreeSet<&str> = mutual.collect();
            let head = |parent: &&str| {
                let folder =
                    format!("{}/", parent.trim_end_matches("/mod.rs").trim_end_matches(".rs"));
                circle.iter().all(|other| other == parent || other.starts_with(&folder))
            };
            match circle.iter().copied().find(head) {
                _ if circle.len() < 2 => {}
                Some(parent) => {
                    let children = circle.iter().copied().filter(|other| *other != parent);
                    found.extend(self.circles_among(&children.collect()));
                }
                None => found.extend([circle.into_iter().collect()]),
            }
        }
        found
    }

    /// The files that `start` imports, and those that they import, as far as they are in `files`.
    fn reach<'a>(&'a self, start: &str, files: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let next = |file: &str| self.files[file].keys().filter_map(|to| files.get(to.as_str()));
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = next(start).copied().collect();
        while let Some(file) = open.pop() {
            if seen.insert(file) {
                open.extend(next(file));
            }
        }
        seen
    }
}

#[test]
fn paths_are_found_as_they_are_written() {
    let text = "use crate::a::{self, b::{C, D}};\n// use crate::x;\n\
                #[cfg(test)]\nuse crate::t::U;\n\
                pub use child::E;\nfn f() { super::super::g(crate::h::I); }\n";
    let written: Vec<String> = paths(text).iter().map(|path| path.join("::")).collect();
    let wanted =
        ["crate::a::self", "crate::a::b::C", "crate::a::b::D", "crate::h::I", "super::super::g"];
    assert_eq!(written, wanted);
}

#[test]
fn a_circle_of_files_is_found_and_parent_and_child_are_none() {
    let source = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let sources = [
        source("engine/src/lib.rs", "mod a; mod b; mod c; mod d;"),
        source("engine/src/a.rs", "mod child;\nuse crate::b::B;\nuse child::Child;"),
        source("engine/src/a/child.rs", "use super::A;"),
        source("engine/src/b.rs", "fn f() { crate::c::f() }"),
        source("engine/src/c.rs", "use super::a::{A};"),
        source("engine/src/d.rs", "mod child;\nuse child::Child;"),
        source("engine/src/d/child.rs", "use super::D;"),
    ];
    let imports = Imports::of(&sources);
    let files = ["engine/src/a.rs", "engine/src/a/child.rs", "engine/src/b.rs", "engine/src/c.rs"];
    assert_eq!(imports.circles(), BTreeSet::from([files.to_vec()]));
}
