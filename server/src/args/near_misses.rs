//! Environment variables that were probably meant for this server. A mistyped one is a setting that
//! is missing, and nothing else says so: without its certificate a service would speak plaintext.

use std::collections::BTreeSet;
use std::ffi::OsString;

use strsim::damerau_levenshtein;

use crate::settings::{ENV_PREFIX, Problem, Setting, Source, TABLE};

/// Mistakes by which a name may differ from a known one, and is still taken for it.
const MISTAKES: usize = 2;
/// Characters at the beginning that must be right: otherwise SSL_CERT_FILE, which many programs
/// read, would be taken for WS_CERT_FILE.
const CERTAIN: usize = 3;
/// What a preset's own variable about TLS begins with, behind the service's prefix.
const TLS_WORDS: [&str; 3] = ["CERT", "SSL", "TLS"];

/// The variables that this server reads beside its own.
#[derive(Debug, Default)]
pub(super) struct KnownVariables {
    names: BTreeSet<String>,
    /// The prefixes of presets' TLS variables, such as `MAHAVISHNU_WS`.
    prefixes: BTreeSet<String>,
}

impl KnownVariables {
    pub(super) fn add(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    pub(super) fn add_prefix(&mut self, prefix: &str) {
        self.prefixes.insert(format!("{prefix}_"));
    }

    /// Reports the variables that are nearly known, and known ones that are no text.
    pub(super) fn check(&self, environment: &[(OsString, OsString)], problems: &mut Vec<Problem>) {
        let own: Vec<String> = TABLE.iter().map(Setting::variable).collect();
        let known: Vec<(&String, String)> =
            self.names.iter().chain(&own).map(|name| (name, plain(name))).collect();
        let is_given = |(_, value): &&(OsString, OsString)| !value.is_empty();
        for (name, value) in environment.iter().filter(is_given) {
            // Names with our own prefix were checked when they were read.
            let Some(name) = name.to_str().filter(|name| !name.starts_with(ENV_PREFIX)) else {
                continue;
            };
            let mut problem = |reason: &str, remedy: String| {
                problems.push(Problem::new(name, Source::Default, reason, remedy));
            };
            if self.names.contains(name) {
                if value.to_str().is_none() {
                    problem("the value is not valid UTF-8", "Write it as UTF-8.".into());
                }
                continue;
            }
            let given = plain(name);
            let distance = |(_, known): &&(&String, String)| damerau_levenshtein(&given, known);
            let Some((nearest, known)) = known.iter().min_by_key(distance) else { continue };
            if is_near(&given, known) || self.is_about_tls(name) {
                let reason = "there is no such environment variable";
                problem(reason, format!("Did you mean {nearest}? Else take it away."));
            }
        }
    }

    fn is_about_tls(&self, name: &str) -> bool {
        let rest = self.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix.as_str()));
        rest.is_some_and(|rest| TLS_WORDS.iter().any(|word| rest.starts_with(word)))
    }
}

/// A name without what is easily mistaken in it.
fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_uppercase()
}

fn is_near(given: &str, known: &str) -> bool {
    given.get(..CERTAIN).is_some_and(|start| known.starts_with(start))
        && damerau_levenshtein(given, known) <= MISTAKES
}
