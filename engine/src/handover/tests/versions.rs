//! What formats promise each other: one before and one after can be read.

use std::fs;
use std::path::Path;

use super::*;
use crate::handover::byte_codec::{ByteReader, ByteWriter, Coded, encode, record};
use crate::handover::document::part;

/// A state as it was written by the first format, kept for ever.
fn recorded(format: u16) -> std::path::PathBuf {
    let file = format!("src/handover/tests/format-{format}.state");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn a_recorded_state_is_read() {
    let file = recorded(FORMAT_VERSION);
    if std::env::var_os("RECORD_STATE").is_some() {
        fs::write(&file, &*sample().encode()).expect("the record is writable");
    }
    let bytes = fs::read(file).expect("the record");
    let read = State::decode(&bytes).expect("what this format wrote");
    assert_eq!(text(&read), text(&sample()));
    let secrets = |state: &State| {
        let connections = state.shards.iter().flat_map(|shard| shard.connections.clone());
        (connections.collect::<Vec<_>>(), state.blobs.clone())
    };
    assert_eq!(secrets(&read), secrets(&sample()));
    assert_eq!(read.engine.homes.key(), sample().engine.homes.key());
}

/// The state's bytes with other versions in the head.
fn with_versions(found: u16, readable_from: u16) -> Vec<u8> {
    let mut bytes = sample().encode().to_vec();
    bytes[8..10].copy_from_slice(&found.to_le_bytes());
    bytes[10..12].copy_from_slice(&readable_from.to_le_bytes());
    reseal(&bytes)
}

#[test]
fn a_later_format_is_read_if_it_says_so() {
    assert!(State::decode(&with_versions(FORMAT_VERSION + 1, FORMAT_VERSION)).is_ok());
    let (found, readable_from) = (FORMAT_VERSION + 1, FORMAT_VERSION + 1);
    let refused = State::decode(&with_versions(found, readable_from)).unwrap_err();
    assert_eq!(refused, HandoverError::Version { found, readable_from });
    let refused = State::decode(&with_versions(READABLE_FROM - 1, 0)).unwrap_err();
    assert!(matches!(refused, HandoverError::Version { .. }));
}

/// The sample with one part more.
fn with_part(kind: u16, is_required: bool) -> Vec<u8> {
    let bytes = sample().encode();
    let parts = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize + 1;
    let new = part(kind, is_required, &String::from("news of a later format"));
    [&head(parts)[..], &bytes[20..], &new].concat()
}

#[test]
fn an_unknown_part_is_passed_over_unless_it_is_required() {
    assert_eq!(text(&State::decode(&with_part(999, false)).unwrap()), text(&sample()));
    assert_eq!(State::decode(&with_part(999, true)).unwrap_err(), HandoverError::UnknownPart(999));
}

#[derive(Debug, PartialEq, Eq)]
struct Old {
    one: u8,
}

#[derive(Debug, PartialEq, Eq)]
struct New {
    one: u8,
    two: Option<String>,
    three: Vec<u64>,
}

record!(Old { one });
record!(New { one } later { two, three });

#[test]
fn records_grow_at_their_end() {
    let write = |value: &dyn Fn(&mut ByteWriter)| encode(value);
    let new = New { one: 7, two: Some("x".into()), three: vec![1, 2] };
    let both = write(&|to| {
        new.put(to);
        9_u8.put(to);
    });
    let mut from = ByteReader::new(&both);
    assert_eq!(Old::take(&mut from).unwrap(), Old { one: 7 });
    assert_eq!(u8::take(&mut from).unwrap(), 9, "what follows is found");
    let old = write(&|to| Old { one: 7 }.put(to));
    let read = New::take(&mut ByteReader::new(&old)).unwrap();
    assert_eq!(read, New { one: 7, two: None, three: Vec::new() });
}

/// The records of the format's code and those of its documentation: fields in their order.
#[test]
fn the_documentation_has_every_field_in_its_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = fs::read_to_string(root.join("src/handover/format.rs")).unwrap();
    let page = fs::read_to_string(root.join("../docs/HANDOVER.md")).unwrap();
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.filter(|word| !word.is_empty()).map(Into::into).collect()
    };
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`').to_owned(), words(cells.next()?)))
    });
    let rows: std::collections::HashMap<String, Vec<String>> = rows.collect();
    let mut records = code.split("record!(").skip(1).peekable();
    assert!(records.peek().is_some());
    for record in records {
        let fields = record.split_once(");").unwrap().0;
        let (name, fields) = fields.split_once('{').unwrap();
        let documented = rows.get(name.trim()).unwrap_or_else(|| panic!("no row of {name}"));
        assert_eq!(*documented, words(fields), "{name}");
    }
}
