//! Why a command did not do what it was asked for.

use std::fmt;

use crate::diagnostics::check_report::Finding;
use crate::settings::{Problem, Problems};

/// There is something to mend: an argument, a file, a key, the server's address.
const TO_MEND: i32 = 2;
/// What was asked is right, and the server does not do it now, or no longer.
const NOT_NOW: i32 = 1;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// Something to say, and the exit code.
    Text(String, i32),
    /// Not understood: clap prints it and sets the exit code.
    Usage(clap::Error),
}

impl Failure {
    /// There is something to mend.
    pub(super) fn new(reason: impl fmt::Display, remedy: &str) -> Failure {
        Failure::Text(format!("{reason}. {remedy}"), TO_MEND)
    }

    /// The server does not do it now, or no longer.
    pub(super) fn not_now(reason: impl fmt::Display, remedy: &str) -> Failure {
        Failure::Text(format!("{reason}. {remedy}"), NOT_NOW)
    }

    /// Prints why, and returns the exit code.
    pub fn report(&self) -> i32 {
        match self {
            Failure::Usage(usage) => {
                // Nothing is left to say where standard error is closed.
                let _ = usage.print();
                usage.exit_code()
            }
            Failure::Text(text, code) => {
                text.lines().for_each(|line| eprintln!("error: {line}"));
                *code
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Text(text, _) => f.write_str(text),
            Failure::Usage(usage) => usage.fmt(f),
        }
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Failure {
        Failure::new(finding.found, &finding.remedy)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Text(problem.to_string(), TO_MEND)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Text(problems.to_string(), TO_MEND)
    }
}

impl From<clap::Error> for Failure {
    fn from(usage: clap::Error) -> Failure {
        Failure::Usage(usage)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Text(format!("cannot start: {error}"), TO_MEND)
    }
}
