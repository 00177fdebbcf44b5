//! Classes of channels, as they are written.

use uringcast_engine::limits::MAX_COALESCING;
use uringcast_engine::{ChannelPattern, ClassRule, Compression, HistoryAccess, SlowPolicy};

use super::value::{Bytes, Choice, Count, Invalid, Span, Value, invalid, quoted};
use super::{LogAge, LogBytes, LogFrames, nearest};

const LONGEST: u64 = MAX_COALESCING.as_millis() as u64;
const FORM: &str = "Write such as orders:* slow=skip, log-age=10m; * stands for all channels.";

impl Choice for SlowPolicy {
    const WORDS: &'static str = "disconnect|skip|latest";
    const ALL: &'static [Self] = &[SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest];
}

impl Choice for Compression {
    const WORDS: &'static str = "off|twin|shared";
    const ALL: &'static [Self] = &[Compression::Off, Compression::Twin, Compression::Shared];
}

/// Bytes that a subscriber may be behind.
type SlowBytes = Bytes<{ 1 << 10 }, { 1 << 30 }>;

/// Age of what a subscriber may be behind.
type SlowAge = Span<100, { 24 * 3_600_000 }>;

/// The window of a class.
type Window = Span<0, LONGEST>;

/// Whether a class does something.
#[derive(Clone, Copy)]
struct Switch(bool);

impl Value for Switch {
    const HINT: &'static str = "on|off";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let read = bool::parse(text).map(Switch);
        read.map_err(|_| invalid("is neither on nor off", "Write on or off."))
    }

    fn show(&self) -> Option<String> {
        Some(if self.0 { "on" } else { "off" }.to_owned())
    }
}

/// A permission that a class names.
struct Needed(String);

impl Value for Needed {
    const HINT: &'static str = "PERMISSION";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let foreign = |c: char| c == '=' || c.is_control() || c.is_whitespace();
        if text.is_empty() || text.contains(foreign) {
            return Err(invalid("is no permission", "Name one, such as orders:read."));
        }
        Ok(Needed(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

impl Value for HistoryAccess {
    const HINT: &'static str = "on|off|PERMISSION";

    fn parse(text: &str) -> Result<Self, Invalid> {
        match bool::parse(text) {
            Ok(true) => Ok(HistoryAccess::On),
            Ok(false) => Ok(HistoryAccess::Off),
            Err(_) => Needed::parse(text).map(|Needed(name)| HistoryAccess::Permission(name)),
        }
    }

    fn show(&self) -> Option<String> {
        quoted(match self {
            HistoryAccess::On => "on",
            HistoryAccess::Off => "off",
            HistoryAccess::Permission(name) => name,
        })
    }
}

/// One thing that a class may say, by the key that says it.
pub struct ClassField {
    /// Its key.
    pub key: &'static str,
    /// Reads a text into a rule.
    set: fn(&mut ClassRule, &str) -> Result<(), Invalid>,
    /// The value as it is written; `None` where the rule has none.
    pub shown: fn(&ClassRule) -> Option<String>,
}

/// Everything that a class may say.
pub const FIELDS: [ClassField; 12] = [
    ClassField {
        key: "log-frames",
        set: |rule, text| put(&mut rule.frames, LogFrames::parse(text)?.0),
        shown: |rule| bare(rule.frames.map(Count::<1, 1>)),
    },
    ClassField {
        key: "log-bytes",
        set: |rule, text| put(&mut rule.bytes, LogBytes::parse(text)?.0),
        shown: |rule| bare(rule.bytes.map(Bytes::<1, 1>)),
    },
    ClassField {
        key: "log-age",
        set: |rule, text| put(&mut rule.age, LogAge::parse(text)?.0),
        shown: |rule| bare(rule.age.map(Span::<1, 1>)),
    },
    ClassField {
        key: "slow",
        set: |rule, text| put(&mut rule.slow, Value::parse(text)?),
        shown: |rule| bare(rule.slow),
    },
    ClassField {
        key: "slow-bytes",
        set: |rule, text| put(&mut rule.slow_bytes, SlowBytes::parse(text)?.0),
        shown: |rule| bare(rule.slow_bytes.map(Bytes::<1, 1>)),
    },
    ClassField {
        key: "slow-age",
        set: |rule, text| put(&mut rule.slow_age, SlowAge::parse(text)?.0),
        shown: |rule| bare(rule.slow_age.map(Span::<1, 1>)),
    },
    ClassField {
        key: "compression",
        set: |rule, text| put(&mut rule.compression, Value::parse(text)?),
        shown: |rule| bare(rule.compression),
    },
    ClassField {
        key: "coalesce",
        set: |rule, text| put(&mut rule.coalesce, Window::parse(text)?.0),
        shown: |rule| bare(rule.coalesce.map(Span::<1, 1>)),
    },
    ClassField {
        key: "presence",
        set: |rule, text| put(&mut rule.presence, Switch::parse(text)?.0),
        shown: |rule| bare(rule.presence.map(Switch)),
    },
    ClassField {
        key: "history",
        set: |rule, text| put(&mut rule.history, Value::parse(text)?),
        shown: |rule| bare(rule.history.clone()),
    },
    ClassField {
        key: "subscribe",
        set: |rule, text| put(&mut rule.subscribe, Needed::parse(text)?.0),
        shown: |rule| rule.subscribe.clone(),
    },
    ClassField {
        key: "publish",
        set: |rule, text| put(&mut rule.publish, Needed::parse(text)?.0),
        shown: |rule| rule.publish.clone(),
    },
];

fn put<T>(field: &mut Option<T>, value: T) -> Result<(), Invalid> {
    *field = Some(value);
    Ok(())
}

/// A value as it is written here: without the quotes of TOML.
fn bare(value: Option<impl Value>) -> Option<String> {
    Some(value?.show()?.trim_matches('"').to_owned())
}

/// Channels and what is promised for them: `orders:* slow=skip, log-age=10m`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSetting(pub ClassRule);

impl Value for ClassSetting {
    const HINT: &'static str = "'PATTERN KEY=VALUE,…'";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let (pattern, fields) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let channels = ChannelPattern::parse(pattern)
            .map_err(|error| invalid(format!("has a pattern that {error}"), FORM))?;
        let mut rule = ClassRule::new(channels);
        let fields = fields.split(',').map(str::trim).filter(|field| !field.is_empty());
        for field in fields {
            set(&mut rule, field)?;
        }
        match FIELDS.iter().all(|field| (field.shown)(&rule).is_none()) {
            true => Err(invalid(format!("says nothing of {pattern}"), FORM)),
            false => Ok(ClassSetting(rule)),
        }
    }

    fn show(&self) -> Option<String> {
        quoted(&self.to_string())
    }
}

impl std::fmt::Display for ClassSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |field: &ClassField| Some(format!("{}={}", field.key, (field.shown)(&self.0)?));
        let fields: Vec<String> = FIELDS.iter().filter_map(said).collect();
        write!(f, "{} {}", self.0.channels, fields.join(", "))
    }
}

/// Takes over `KEY=VALUE`.
fn set(rule: &mut ClassRule, text: &str) -> Result<(), Invalid> {
    let channels = rule.channels.to_string();
    let (key, value) = text.split_once('=').ok_or_else(|| {
        invalid(format!("has {text:?} for {channels}, which is no KEY=VALUE"), FORM)
    })?;
    // As in files, underscores do as well.
    let key = key.trim().replace('_', "-");
    let Some(field) = FIELDS.iter().find(|field| field.key == key) else {
        let keys = FIELDS.map(|field| field.key);
        let like = nearest(&key, keys.into_iter());
        let remedy = format!("Did you mean {like}? There are {}.", keys.join(", "));
        return Err(invalid(format!("has {key} for {channels}, which no class has"), remedy));
    };
    if (field.shown)(rule).is_some() {
        let reason = format!("has {key} for {channels} twice");
        return Err(invalid(reason, "Give it once."));
    }
    (field.set)(rule, value.trim()).map_err(|Invalid { reason, remedy }| {
        invalid(format!("has a {key} for {channels} that {reason}"), remedy)
    })
}

/// The classes of a service. In one text, such as a variable's, they stand between semicolons:
/// each has commas of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSettings(pub Vec<ClassSetting>);

impl Value for ClassSettings {
    const HINT: &'static str = ClassSetting::HINT;
    const MANY: bool = true;

    fn parse(text: &str) -> Result<Self, Invalid> {
        ClassSettings::parse_all(&[text.to_owned()])
    }

    fn parse_all(texts: &[String]) -> Result<Self, Invalid> {
        let mut all: Vec<ClassSetting> = Vec::new();
        let written = texts.iter().flat_map(|text| text.split(';')).map(str::trim);
        for text in written.filter(|text| !text.is_empty()) {
            let class = ClassSetting::parse(text)?;
            let channels = &class.0.channels;
            if all.iter().any(|other| other.0.channels == *channels) {
                let remedy = "Make one class of the two.";
                return Err(invalid(format!("has the pattern {channels} twice"), remedy));
            }
            all.push(class);
        }
        if all.is_empty() { Err(invalid("is empty", FORM)) } else { Ok(ClassSettings(all)) }
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.0.iter().filter_map(Value::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

#[cfg(test)]
mod tests;
