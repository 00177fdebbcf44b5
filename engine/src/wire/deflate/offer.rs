//! The negotiation: RFC 7692 section 7.1, with the grammar of RFC 6455 section 9.1.

use super::Deflate;
use crate::limits::DEFLATE_WINDOW_BITS;

const NAME: &str = "permessage-deflate";

/// Answers the first acceptable offer of the lines of `Sec-WebSocket-Extensions`: what is agreed
/// on, and the header's value. An offer that is malformed, or of which a parameter is unknown, is
/// declined, as all other extensions are.
pub fn negotiate<'a>(lines: impl Iterator<Item = &'a str>) -> Option<(Deflate, String)> {
    lines.flat_map(|line| split(line, ',')).find_map(Offer::parse).map(Offer::accept)
}

/// The parameters of one offer.
#[derive(Debug, Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// Its value does not matter: any window of the client's can be inflated.
    client_max_window_bits: bool,
}

impl Offer {
    /// Reads an offer of this extension; `None` for all that is to be declined.
    fn parse(text: &str) -> Option<Offer> {
        let mut parts = split(text, ';');
        if !parts.next()?.trim().eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut offer = Offer::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquote(value.trim())?)),
                None => (part.trim(), None),
            };
            let value = value.as_deref();
            let is_new = match name {
                "server_no_context_takeover" if value.is_none() => {
                    !std::mem::replace(&mut offer.server_no_context_takeover, true)
                }
                "client_no_context_takeover" if value.is_none() => {
                    !std::mem::replace(&mut offer.client_no_context_takeover, true)
                }
                "server_max_window_bits" => {
                    offer.server_max_window_bits.replace(window_bits(value?)?).is_none()
                }
                "client_max_window_bits" => {
                    if let Some(value) = value {
                        window_bits(value)?;
                    }
                    !std::mem::replace(&mut offer.client_max_window_bits, true)
                }
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(offer)
    }

    fn accept(self) -> (Deflate, String) {
        let offered = self.server_max_window_bits.unwrap_or(DEFLATE_WINDOW_BITS);
        let window_bits = offered.min(DEFLATE_WINDOW_BITS);
        let mut answer = format!("{NAME}; client_no_context_takeover");
        if self.server_no_context_takeover {
            answer += "; server_no_context_takeover";
        }
        // Some clients refuse an answer with what they did not offer.
        if self.server_max_window_bits.is_some() {
            answer += &format!("; server_max_window_bits={window_bits}");
        }
        let twins_only = self.server_no_context_takeover || window_bits < DEFLATE_WINDOW_BITS;
        (Deflate { window_bits, twins_only }, answer)
    }
}

/// A decimal number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    (8..=15).find(|bits: &u8| bits.to_string() == value)
}

/// The parts between separators that are not within a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let separates = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        separates
    })
}

/// A parameter's value: a token, or a quoted string, which may escape its characters. No value
/// that counts here has an escape, so a wrong one is as good as an unknown value.
fn unquote(value: &str) -> Option<String> {
    match value.strip_prefix('"') {
        Some(quoted) => Some(quoted.strip_suffix('"')?.replace('\\', "")),
        None => Some(value.into()),
    }
}
