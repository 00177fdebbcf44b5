//! The types a setting may have: how each is read, and how it is written back as TOML.

mod api_key;
pub mod cluster_values;
mod network;
mod preset;
mod rights;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

pub use api_key::ApiKey;
pub use network::Network;
pub use rights::{Right, Rights};
pub use tls::{CertKey, EnvPrefix};

/// Why a text is not a value of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong with it: "is not a number".
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

pub(crate) fn invalid(reason: impl Into<String>, remedy: impl Into<String>) -> Invalid {
    Invalid { reason: reason.into(), remedy: remedy.into() }
}

/// A type of setting. All sources (flags, environment, file) hand over text.
pub trait Value: Sized {
    /// The placeholder of the value in help texts.
    const HINT: &'static str;
    /// Whether several may be given.
    const MANY: bool = false;
    /// Whether the flag alone means true.
    const SWITCH: bool = false;
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// Reads one text.
    ///
    /// # Errors
    /// [`Invalid`] when it is no such value.
    fn parse(text: &str) -> Result<Self, Invalid>;

    /// The value in TOML, `None` when there is none.
    fn show(&self) -> Option<String>;

    /// Reads the texts of a source: exactly one, unless the type accepts several.
    ///
    /// # Errors
    /// [`Invalid`] when it is no such value.
    fn parse_all(texts: &[String]) -> Result<Self, Invalid> {
        match texts {
            [text] => Self::parse(text),
            _ => Err(invalid("is a list", "Give one value.")),
        }
    }
}

/// Whether a text is not empty and has only ASCII letters, digits and these other characters.
pub(crate) fn is_plain(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

pub(crate) fn quoted(text: &str) -> Option<String> {
    Some(toml::Value::from(text).to_string())
}

impl<T: Value> Value for Option<T> {
    const HINT: &'static str = T::HINT;
    const MANY: bool = T::MANY;
    const SWITCH: bool = T::SWITCH;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, Invalid> {
        T::parse(text).map(Some)
    }

    fn parse_all(texts: &[String]) -> Result<Self, Invalid> {
        T::parse_all(texts).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

/// One or more values: repeated flags, a TOML list, or one text with commas.
impl<T: Value> Value for Vec<T> {
    const HINT: &'static str = T::HINT;
    const MANY: bool = true;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, Invalid> {
        // A list may end with a comma, as in the originals' variables.
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(T::parse).collect()
    }

    fn parse_all(texts: &[String]) -> Result<Self, Invalid> {
        let mut all = Vec::new();
        for text in texts {
            all.extend(Self::parse(text)?);
        }
        if all.is_empty() { Err(invalid("is empty", "Give at least one.")) } else { Ok(all) }
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl Value for bool {
    const HINT: &'static str = "true|false";
    const SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(invalid("is neither true nor false", "Write true or false.")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for u16 {
    const HINT: &'static str = "PORT";

    fn parse(text: &str) -> Result<Self, Invalid> {
        text.parse().map_err(|_| {
            invalid("is not a port", "Give a number from 1 to 65535, or 0 for any free port.")
        })
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for PathBuf {
    const HINT: &'static str = "PATH";

    fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(invalid("is empty", "Give a path, or leave the setting out."));
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.to_string_lossy())
    }
}

/// Text that is shown to clients or in metrics: not empty, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl Value for Text {
    const HINT: &'static str = "TEXT";

    fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            let reason = "is empty, longer than 200 bytes or has control characters";
            return Err(invalid(reason, "Give 1 to 200 bytes of plain text."));
        }
        Ok(Text(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// A text that never appears in logs, metrics, errors or `check-config`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The text that replaces a secret.
pub const MASK: &str = "********";

impl Secret {
    /// The secret itself, to compare with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl Value for Secret {
    const HINT: &'static str = "SECRET";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() < 8 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let reason = "is shorter than 8 characters or has characters a header cannot carry";
            return Err(invalid(reason, "Use at least 8 visible ASCII characters, no spaces."));
        }
        Ok(Secret(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(MASK)
    }
}

/// An address or a name to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(pub String);

impl Value for Host {
    const HINT: &'static str = "ADDRESS";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() || bare.len() <= 253 && is_plain(bare, b"-.") {
            return Ok(Host(bare.to_owned()));
        }
        let remedy = "Give an address such as 127.0.0.1, 0.0.0.0 or ::1, without a port.";
        Err(invalid("is neither an IP address nor a host name", remedy))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<const MIN: usize, const MAX: usize>(pub usize);

impl<const MIN: usize, const MAX: usize> Value for Count<MIN, MAX> {
    const HINT: &'static str = "N";

    fn parse(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(n) if (MIN..=MAX).contains(&n) => Ok(Count(n)),
            Ok(_) => Err(invalid("is out of range", format!("Give {MIN} to {MAX}."))),
            Err(_) => Err(invalid("is not a whole number", format!("Give {MIN} to {MAX}."))),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes from `MIN` to `MAX`: `1048576`, `1024KiB` or `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<const MIN: usize, const MAX: usize>(pub usize);

fn bytes_text(n: usize) -> String {
    let fits = UNITS.iter().find(|(_, size)| n >= *size && n.is_multiple_of(*size));
    fits.map_or("0B".into(), |(unit, size)| format!("{}{unit}", n / size))
}

impl<const MIN: usize, const MAX: usize> Value for Bytes<MIN, MAX> {
    const HINT: &'static str = "BYTES";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let parts =
            UNITS.iter().find_map(|(unit, size)| text.strip_suffix(unit).map(|n| (n, *size)));
        let (digits, size) = parts.unwrap_or((text, 1));
        let bytes = digits.trim_end().parse::<usize>().ok().and_then(|n| n.checked_mul(size));
        let range = format!("from {} to {}", bytes_text(MIN), bytes_text(MAX));
        match bytes {
            Some(n) if (MIN..=MAX).contains(&n) => Ok(Bytes(n)),
            Some(_) => Err(invalid("is out of range", format!("Give a size {range}."))),
            None => {
                let remedy = format!("Give a size {range}, in bytes or with KiB, MiB or GiB.");
                Err(invalid("is not a size", remedy))
            }
        }
    }

    fn show(&self) -> Option<String> {
        quoted(&bytes_text(self.0))
    }
}

/// A time from `MIN` to `MAX` milliseconds: `20s`, `500ms`, `1m 30s`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<const MIN: u64, const MAX: u64>(pub Duration);

fn span_text(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
}

impl<const MIN: u64, const MAX: u64> Value for Span<MIN, MAX> {
    const HINT: &'static str = "TIME";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        let remedy = format!("Give a time from {} to {}.", span_text(min), span_text(max));
        let seconds = text.parse().map(Duration::from_secs).ok();
        let span = seconds.or_else(|| text.parse::<SignedDuration>().ok()?.try_into().ok());
        match span {
            Some(span) if (min..=max).contains(&span) => Ok(Span(span)),
            Some(_) => Err(invalid("is out of range", remedy)),
            None => Err(invalid("is not a time such as 20s, 500ms or 2m", remedy)),
        }
    }

    fn show(&self) -> Option<String> {
        quoted(&span_text(self.0))
    }
}

/// A value out of a short list.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words of the list, with `|` between them.
    const WORDS: &'static str;
    /// What the words mean, in their order.
    const ALL: &'static [Self];

    /// What a word means that is not in the list and accepted nevertheless.
    fn alias(_word: &str) -> Option<Self> {
        None
    }
}

impl<T: Choice> Value for T {
    const HINT: &'static str = T::WORDS;

    fn parse(text: &str) -> Result<Self, Invalid> {
        let place = T::WORDS.split('|').position(|word| word.eq_ignore_ascii_case(text));
        place.map(|place| T::ALL[place]).or_else(|| T::alias(text)).ok_or_else(|| {
            invalid("is not one of the choices", format!("Choose one of {}.", T::WORDS))
        })
    }

    fn show(&self) -> Option<String> {
        let place = T::ALL.iter().position(|value| value == self)?;
        T::WORDS.split('|').nth(place).and_then(quoted)
    }
}
