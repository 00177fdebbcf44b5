//! The bytes on every wire: the family's envelope, with a number in its data.
//!
//! Our server makes the envelope itself; to the others the publisher sends one of exactly the same
//! length, so that every subscriber of every server gets messages of the same size.

use std::fmt::Write;

const ID: &str = "0190b5a2-7c1e-4f00-8a00-5b1c2d3e4f50";
const START: &str = r#"{"id":""#;
const TIMESTAMP: &str = "2026-01-01T00:00:00.000000+00:00";
/// Start of `data`, up to the number.
const DATA: &str = r#"{"m":""#;
/// Digits of the number.
const DIGITS: usize = 8;
/// What is between the id and `data`.
const MIDDLE: &str =
    concat!(r#"","correlation_id":null,"type":"event","#, r#""event":"bench","data":"#);
/// Where the number is in the envelope.
pub(crate) const NUMBER_AT: usize = START.len() + ID.len() + MIDDLE.len() + DATA.len();
/// Bytes of a message up to the end of its number.
const HEAD: usize = NUMBER_AT + DIGITS;
/// The smallest `data`.
pub(crate) const MIN_PAYLOAD: usize = DATA.len() + DIGITS + 2;

/// The JSON text of `data`, `payload` bytes long.
pub(crate) fn data(number: u32, payload: usize, out: &mut String) {
    let filler = payload - MIN_PAYLOAD;
    out.push_str(DATA);
    write!(out, "{number:0DIGITS$}").expect("a String takes everything");
    out.extend(std::iter::repeat_n('x', filler));
    out.push_str("\"}");
}

/// A whole envelope, as our server makes it.
pub(crate) fn envelope(number: u32, payload: usize, channel: &str, seq: u32, out: &mut String) {
    out.push_str(START);
    out.push_str(ID);
    out.push_str(MIDDLE);
    data(number, payload, out);
    write!(out, r#","timestamp":"{TIMESTAMP}","room":"{channel}","#)
        .and_then(|()| write!(out, r#""error_code":null,"error_message":null,"seq":{seq}}}"#))
        .expect("a String takes everything");
}

/// What the original family's envelopes lack.
pub(crate) const SEQ: &str = r#","seq":"#;

/// Bytes of an envelope without its data, channel and seq.
pub(crate) fn frame_of_envelope() -> usize {
    let mut text = String::new();
    envelope(0, MIN_PAYLOAD, "", 1, &mut text);
    text.len() - MIN_PAYLOAD - 1
}

/// The number in the first [`HEAD`] bytes of a message, if it is one of ours.
pub(crate) fn number(head: &[u8]) -> Option<u32> {
    let data = head.get(NUMBER_AT - DATA.len()..HEAD)?;
    let digits = data.strip_prefix(DATA.as_bytes())?;
    let mut number = 0;
    for digit in digits {
        number = number * 10 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(number)
}
