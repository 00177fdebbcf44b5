//! Tokens and keys that commands are given.

use std::fmt;
use std::path::Path;

use crate::read_files;
use crate::settings::value::{MASK, Secret, Value};

/// What was given as a token. (clap shows the values that it refuses, so it is read later.)
#[derive(Clone)]
pub struct Token(String);

impl From<String> for Token {
    fn from(text: String) -> Token {
        Token(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Token {
    /// The token, or why it is none.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        match self.0.strip_prefix('@') {
            Some(path) => secret("token", path.as_ref()),
            None => Secret::parse(&self.0).map_err(|invalid| format!("it {}", invalid.reason)),
        }
    }
}

/// The secret in a file.
pub(crate) fn secret(setting: &str, path: &Path) -> Result<Secret, String> {
    let bytes = read_files::read(setting, path).map_err(|problem| problem.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    Secret::parse(text.trim()).map_err(|invalid| format!("its content {}", invalid.reason))
}
