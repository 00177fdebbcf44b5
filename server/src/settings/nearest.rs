//! Names that are nearly known.

/// The known name most like `name`.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    // As people write them: in capitals, with dashes.
    let plain = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    let name = plain(name);
    let distance = |known: &&str| strsim::damerau_levenshtein(&name, &plain(known));
    known.min_by_key(distance).unwrap_or_default()
}
