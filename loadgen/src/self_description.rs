//! What the program prints of itself for packages: a manual page, completions of shells.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Args;
use crate::error::OperatorError;

/// The manual page.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn manual() -> Result<String, OperatorError> {
    let mut text = Vec::new();
    Man::new(Args::command())
        .render(&mut text)
        .map_err(|error| OperatorError(format!("the manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The completions of a shell.
///
/// # Errors
/// When the shell is not known.
pub(crate) fn completions(shell: &str) -> Result<String, OperatorError> {
    let shell = Shell::from_str(shell, true).map_err(|_| {
        OperatorError(format!("completions {shell}: give bash, elvish, fish, powershell or zsh"))
    })?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "loadgen", &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}
