//! Where values come from, and what can be wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::value::{Invalid, MASK, Value};

/// Where a value was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag(String),
    /// In an environment variable.
    Environment(String),
    /// In the configuration file.
    File(PathBuf),
    /// In the entry of this service in the configuration file.
    Entry(String),
    /// In the preset of this name.
    Preset(String),
    /// Nowhere.
    #[default]
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) | Source::Environment(name) | Source::Entry(name) => {
                write!(f, "{name}")
            }
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Preset(name) => write!(f, "preset {name}"),
            Source::Default => write!(f, "default"),
        }
    }
}

/// An operator's fault: which setting, what value, what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The setting or whatever was named instead of one.
    pub setting: String,
    /// What it was given, if anything; never a secret.
    pub value: Option<String>,
    /// Where it was given.
    pub source_of: Source,
    /// What is wrong.
    pub reason: Box<str>,
    /// What to do.
    pub remedy: Box<str>,
}

impl Problem {
    /// A problem with `setting` as `source_of` gives it; of no particular value.
    pub fn new(
        setting: &str,
        source_of: Source,
        reason: impl Into<Box<str>>,
        remedy: impl Into<Box<str>>,
    ) -> Problem {
        let (reason, remedy) = (reason.into(), remedy.into());
        Problem { setting: setting.to_owned(), value: None, source_of, reason, remedy }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setting)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        if self.source_of != Source::Default {
            write!(f, " ({})", self.source_of)?;
        }
        write!(f, ": {}. {}", self.reason, self.remedy)
    }
}

/// Everything that is wrong, so that one look suffices to mend it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// The values of each source. The strongest source is added first.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<&'static str, (Vec<String>, Source)>);

impl Sources {
    /// Adds a value, unless a stronger source has already given one.
    pub fn add(&mut self, name: &'static str, texts: Vec<String>, source: Source) {
        self.0.entry(name).or_insert((texts, source));
    }

    /// Adds the values of weaker sources.
    pub fn add_weaker(&mut self, weaker: Sources) {
        for (name, given) in weaker.0 {
            self.0.entry(name).or_insert(given);
        }
    }

    /// Forgets what was given for a setting.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The text given for a setting that takes one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|(texts, _)| texts.first()).map(String::as_str)
    }

    /// The texts given for a setting.
    pub(super) fn texts(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(|(texts, _)| &**texts)
    }

    /// Takes over what another has for a setting.
    pub(super) fn copy(&mut self, name: &'static str, other: &Sources) {
        self.0.extend(other.0.get(name).cloned().map(|given| (name, given)));
    }

    /// Where the value in force was given.
    pub fn source(&self, name: &str) -> Source {
        self.0.get(name).map(|(_, source)| source.clone()).unwrap_or_default()
    }

    /// Reads one setting; a text that does not parse becomes a problem.
    pub(super) fn read<T: Value>(
        &self,
        name: &'static str,
        default: impl FnOnce() -> T,
        problems: &mut Vec<Problem>,
    ) -> T {
        let Some((texts, source)) = self.0.get(name) else { return default() };
        match T::parse_all(texts) {
            Ok(value) => value,
            Err(Invalid { reason, remedy }) => {
                let value = if T::SECRET { MASK.into() } else { format!("{:?}", texts.join(",")) };
                let problem = Problem::new(name, source.clone(), reason, remedy);
                problems.push(Problem { value: Some(value), ..problem });
                default()
            }
        }
    }
}
