//! The tables of faults in the documentation against the tests that they name.

use std::collections::BTreeSet;

use crate::support::tools::root;

/// Names of test functions in some files of the server's tests.
fn tests(belongs: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let tests = root().join("server/tests");
    let folders = [tests.join("wire"), tests];
    let mut names = BTreeSet::new();
    for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("readable")) {
        let path = entry.expect("readable").path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if file.ends_with(".rs") && belongs(&file) {
            let text = std::fs::read_to_string(&path).expect("readable");
            let functions = text.split("#[test]\nfn ").skip(1);
            names.extend(functions.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
    names
}

/// The last column of every row of every table that ends with a column named test.
fn named_in(document: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("docs").join(document)).expect("readable");
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        inside = line.starts_with('|') && (inside || last == "test");
        if inside && last != "test" && !last.starts_with("---") {
            let quoted = last.split('`').skip(1).step_by(2);
            let before = names.len();
            names.extend(quoted.map(str::to_owned));
            assert!(names.len() > before, "{document}: no test of its own: {line}");
        }
    }
    names
}

#[test]
fn every_documented_fault_is_a_test_and_every_fault_test_is_documented() {
    let named = &named_in("PROTOCOL.md") | &named_in("OPERATING.md");
    let missing: Vec<_> = named.difference(&tests(|_| true)).cloned().collect();
    assert_eq!(missing, [""; 0], "documented, but no test");
    let faults = tests(|file| file.starts_with("faults_"));
    let silent: Vec<_> = faults.difference(&named).cloned().collect();
    assert_eq!(silent, [""; 0], "tests that no table names");
    assert!(named.len() > 40, "the tables were not found: {named:?}");
}
