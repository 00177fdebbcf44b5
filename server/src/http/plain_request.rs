//! A publish request as most publishers write it: small, whole, of a plain length. Every other
//! request of HTTP/1 is not read here.

#[cfg(any(test, fuzzing))]
#[path = "plain_request/tests/fuzz_plain_request.rs"]
pub(crate) mod fuzz_plain_request;

use std::mem::MaybeUninit;

use httparse::Status;

use super::media_type::is_lines;
use super::publish::Form;
use super::request_target;
use super::rule_headers::RuleHeaders;
use crate::limits::{MAX_PLAIN_HEADERS, MAX_PLAIN_REQUEST};

/// Why some bytes do not begin with a plain request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// They are the beginning of a request, perhaps of a plain one.
    Partial {
        /// Whether its head is complete.
        has_head: bool,
    },
    /// They are something else.
    Other,
}

/// A whole request.
#[derive(Debug)]
pub(super) struct PlainRequest<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// The service that the path names.
    pub(super) service: Option<&'a str>,
    pub(super) headers: RuleHeaders<'a>,
    pub(super) form: Form,
    pub(super) body: &'a [u8],
    /// Bytes of head and body.
    pub(super) length: usize,
}

/// Headers that change how a body is read or a connection goes on.
const NOT_PLAIN: [&str; 5] = ["transfer-encoding", "content-encoding", "expect", "upgrade", "te"];

/// Reads the request that these bytes begin with. Where this function and hyper could differ on
/// what a request is, it is not plain.
///
/// # Errors
/// [`Unread`].
pub(super) fn read(bytes: &[u8]) -> Result<PlainRequest<'_>, Unread> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_PLAIN_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    let head_length = match head.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_PLAIN_REQUEST => {
            return Err(Unread::Partial { has_head: false });
        }
        Ok(Status::Partial) | Err(_) => return Err(Unread::Other),
    };
    let (path, query) = target(&head).ok_or(Unread::Other)?;
    let (headers, body_length) = plain_headers(&head).ok_or(Unread::Other)?;
    let (service, form) = service_and_form(path).ok_or(Unread::Other)?;
    let length = head_length.saturating_add(body_length);
    match bytes.get(head_length..length) {
        Some(body) => Ok(PlainRequest { path, query, service, headers, form, body, length }),
        None if length <= MAX_PLAIN_REQUEST => Err(Unread::Partial { has_head: true }),
        None => Err(Unread::Other),
    }
}

/// The path and the query of a request that is plain as far as its first line goes.
fn target<'a>(head: &httparse::Request<'_, 'a>) -> Option<(&'a str, Option<&'a str>)> {
    if (head.method, head.version) != (Some("POST"), Some(1)) {
        return None;
    }
    let target = head.path.filter(|target| target.starts_with('/'))?.as_bytes();
    // What every parser of URIs takes as it is. All bytes are looked at, which is one instruction
    // for many of them.
    let is_plain = target.iter().fold(true, |plain, byte| plain & is_plain_byte(*byte));
    let target = head.path.filter(|_| is_plain)?;
    let is_escaped = memchr::memchr(b'%', target.as_bytes()).is_some();
    if is_escaped && !request_target::is_part_text(target) {
        return None;
    }
    Some(match memchr::memchr(b'?', target.as_bytes()) {
        Some(end) => (&target[..end], Some(&target[end + 1..])),
        None => (target, None),
    })
}

/// Whether a byte has no meaning but its own in paths and queries, or is the `?` between them.
fn is_plain_byte(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_sign = matches!(byte, b'$'..=b';' | b'=' | b'?' | b'@' | b'!' | b'_' | b'~');
    is_letter | is_sign
}

/// The headers of a request that is plain as far as they go, and the length of its body.
fn plain_headers<'a>(head: &httparse::Request<'_, 'a>) -> Option<(RuleHeaders<'a>, usize)> {
    let mut headers = RuleHeaders::default();
    for httparse::Header { name, value } in head.headers.iter() {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // A `Connection` is plain that says what HTTP/1.1 does anyway.
        let is_other = is("connection") && !value.eq_ignore_ascii_case(b"keep-alive");
        if is_other || NOT_PLAIN.into_iter().any(is) {
            return None;
        }
        headers.add(name, value);
    }
    let length = headers.content_length;
    let length = length.bytes().filter(|_| !length.is_repeated()).and_then(number)?;
    (!is_lines(headers.content_type)).then_some((headers, length))
}

/// A number that is written in digits only.
fn number(digits: &[u8]) -> Option<usize> {
    let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The service that a path names, and the form of what is published there.
fn service_and_form(path: &str) -> Option<(Option<&str>, Form)> {
    let path = path.strip_prefix("/v1/")?;
    let (service, path) = match path.strip_prefix("services/") {
        Some(named) => {
            let (name, path) = named.split_once('/')?;
            // Such a name is the router's to read.
            let is_plain = !name.is_empty() && !name.contains('%');
            (is_plain.then_some(Some(name))?, path)
        }
        None => (None, path),
    };
    let form = match path {
        "publish" => Form::Envelope,
        "publish/raw" => Form::Raw,
        _ => return None,
    };
    Some((service, form))
}

#[cfg(test)]
mod tests;
