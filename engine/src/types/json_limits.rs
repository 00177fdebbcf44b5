//! How much structure a document may have.

use memchr::memchr2;

use crate::limits::MAX_JSON_NUMBER;

/// Characters that are compared one by one.
const SHORT_STRING: usize = 24;

/// Why a document that is JSON is not passed on: it would end the parsers of stock clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonLimitError {
    /// Lists and objects within each other.
    #[error("is nested more than {0} levels deep (max_json_depth)")]
    Depth(usize),
    /// A number of more than [`MAX_JSON_NUMBER`] characters.
    #[error("has a number of more than {MAX_JSON_NUMBER} characters")]
    Number,
}

/// Checks a text that is JSON. Its own object or list is the first level.
pub(super) fn check(json: &str, max_depth: usize) -> Result<(), JsonLimitError> {
    let bytes = json.as_bytes();
    // These two cost next to nothing and settle it for most documents. What is in texts counts too.
    if openers(bytes) <= max_depth && !has_long_run(bytes) {
        return Ok(());
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' if depth == max_depth => return Err(JsonLimitError::Depth(max_depth)),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let begin = at - 1;
                while bytes.get(at).is_some_and(|byte| is_in_number(*byte)) {
                    at += 1;
                }
                if at - begin > MAX_JSON_NUMBER {
                    return Err(JsonLimitError::Number);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Opening brackets and braces, wherever they are. The two differ in one bit.
fn openers(bytes: &[u8]) -> usize {
    let is_opener = |byte: &u8| u8::from(byte | 0x20 == b'{');
    // Sums of bytes: the compiler makes one instruction of many of them.
    let chunks = bytes.chunks(usize::from(u8::MAX));
    chunks.map(|chunk| usize::from(chunk.iter().map(is_opener).sum::<u8>())).sum()
}

/// Whether more than [`MAX_JSON_NUMBER`] characters of numbers follow each other. Such a run covers
/// one of every so many bytes.
fn has_long_run(bytes: &[u8]) -> bool {
    let mut places = (MAX_JSON_NUMBER - 1..bytes.len()).step_by(MAX_JSON_NUMBER);
    places.any(|place| {
        let after = bytes[place..].iter().take_while(|byte| is_in_number(**byte));
        let after = after.take(MAX_JSON_NUMBER + 1).count();
        let before = bytes[..place].iter().rev().take_while(|byte| is_in_number(**byte));
        after > 0 && after + before.take(MAX_JSON_NUMBER).count() > MAX_JSON_NUMBER
    })
}

fn is_in_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// The place behind the string with its first character at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    while let Some(rest) = bytes.get(at..) {
        // Most strings are too short for a vectorised search to pay.
        let near = rest.iter().take(SHORT_STRING).position(is_special);
        let far = || memchr2(b'"', b'\\', rest);
        let Some(found) = near.or_else(far) else { break };
        if rest[found] == b'"' {
            return at + found + 1;
        }
        // The escape and the character behind it.
        at += found + 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
