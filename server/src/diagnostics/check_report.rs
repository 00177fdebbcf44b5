//! What `verify` and `doctor` found: a table for a person, JSON for a machine, an exit code.

use std::fmt;

use serde::Serialize;

/// Everything works.
pub const HEALTHY: i32 = 0;
/// Clients are served, and there is something to mend.
pub const DEGRADED: i32 = 1;
/// Clients are not served, or could not be.
pub const DOWN: i32 = 2;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Passed.
    Pass,
    /// Not checked, or a matter of taste; no reason to worry.
    Note,
    /// Works, but not for long or not for all.
    Warn,
    /// Does not work.
    Fail,
}

/// A check there is, for the documentation and for its weight.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Whether clients cannot be served where it fails.
    pub required: bool,
    /// What passes.
    pub meaning: &'static str,
}

/// A kind of check, as the tables of checks write it.
pub(super) const fn kind(name: &'static str, required: bool, meaning: &'static str) -> Kind {
    Kind { name, required, meaning }
}

/// One check and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Name of its [`Kind`].
    pub name: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// What to do about it; empty where nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    /// A finding of a check that ended so.
    pub fn new(verdict: Verdict, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { verdict, found: found.into(), remedy: remedy.into() }
    }

    /// The same as a warning, where the failure does not concern the server itself.
    pub fn at_most_a_warning(mut self) -> Finding {
        if self.verdict == Verdict::Fail {
            self.verdict = Verdict::Warn;
        }
        self
    }
}

/// An outcome: what was seen if it passed.
pub type Outcome = Result<String, Finding>;

/// Not checked, or not needed.
pub fn note<T>(found: impl Into<String>, remedy: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::new(Verdict::Note, found, remedy))
}

/// Works, but.
pub fn warn<T>(found: impl Into<String>, remedy: impl Into<String>) -> Result<T, Finding> {
    Err(Finding::new(Verdict::Warn, found, remedy))
}

/// Does not work.
pub fn fail<T>(found: impl Into<String>, remedy: impl Into<String>) -> Result<T, Finding> {
    Err(failure(found, remedy))
}

/// What [`fail`] returns, for an error that becomes a finding.
pub fn failure(found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::new(Verdict::Fail, found, remedy)
}

/// All checks of one run.
#[derive(Debug)]
pub struct Report {
    subject: String,
    kinds: &'static [Kind],
    /// In the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// An empty one about `subject`, to hold checks of these kinds.
    pub fn new(subject: String, kinds: &'static [Kind]) -> Report {
        Report { subject, kinds, checks: Vec::new() }
    }

    /// Adds the outcome of the check of this name. Returns whether it did not fail.
    pub fn add(&mut self, name: &str, outcome: Outcome) -> bool {
        let kind = self.kinds.iter().find(|kind| kind.name == name).expect("a check of ours");
        let passed = |found| Ok(Finding::new(Verdict::Pass, found, ""));
        let (Ok(finding) | Err(finding)) = outcome.and_then(passed);
        let verdict = finding.verdict;
        self.checks.push(Check { name: kind.name, finding });
        verdict != Verdict::Fail
    }

    /// The process's exit code: [`DOWN`] if a required check failed, [`DEGRADED`] if another did or
    /// there is a warning, else [`HEALTHY`].
    pub fn exit_code(&self) -> i32 {
        let required = |name| self.kinds.iter().any(|kind| kind.name == name && kind.required);
        let code = |check: &Check| match check.finding.verdict {
            Verdict::Pass | Verdict::Note => HEALTHY,
            Verdict::Fail if required(check.name) => DOWN,
            Verdict::Warn | Verdict::Fail => DEGRADED,
        };
        self.checks.iter().map(code).max().unwrap_or(HEALTHY)
    }

    /// The whole as one line of JSON.
    pub fn json(&self) -> String {
        let exit_code = self.exit_code();
        let report = serde_json::json!({
            "subject": self.subject,
            "status": status(exit_code),
            "exit_code": exit_code,
            "checks": self.checks,
        });
        format!("{report}\n")
    }
}

fn status(exit_code: i32) -> &'static str {
    match exit_code {
        HEALTHY => "healthy",
        DEGRADED => "degraded",
        _ => "down",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
        writeln!(f, "{}", self.subject)?;
        for Check { name, finding: Finding { verdict, found, remedy } } in &self.checks {
            let verdict = match verdict {
                Verdict::Pass => "pass",
                Verdict::Note => "note",
                Verdict::Warn => "WARN",
                Verdict::Fail => "FAIL",
            };
            writeln!(f, "  {verdict}  {name:width$}  {found}")?;
            for line in remedy.lines() {
                writeln!(f, "        {:width$}  > {line}", "")?;
            }
        }
        writeln!(f, "{}", status(self.exit_code()))
    }
}

#[cfg(test)]
mod tests;
