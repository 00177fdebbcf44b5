//! The types of the TLS settings.

use std::path::PathBuf;

use super::{Invalid, Value, invalid, is_plain, quoted};

/// A certificate and its key, `CERT:KEY`. The last colon is the one between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertKey {
    /// Chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl Value for CertKey {
    const HINT: &'static str = "CERT:KEY";

    fn parse(text: &str) -> Result<Self, Invalid> {
        match text.rsplit_once(':').unwrap_or_default() {
            ("", _) | (_, "") => {
                let reason = "is not two paths with a colon between them";
                Err(invalid(reason, "Write CERT:KEY, such as chain.pem:key.pem."))
            }
            (cert, key) => Ok(CertKey { cert: cert.into(), key: key.into() }),
        }
    }

    fn show(&self) -> Option<String> {
        quoted(&format!("{}:{}", self.cert.display(), self.key.display()))
    }
}

/// The first word of environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPrefix(pub String);

impl Value for EnvPrefix {
    const HINT: &'static str = "PREFIX";

    fn parse(text: &str) -> Result<Self, Invalid> {
        if !is_plain(text, b"_") || text.ends_with('_') {
            let reason = "is no beginning of an environment variable's name";
            return Err(invalid(reason, "Write it like MAHAVISHNU_WS, without the last _."));
        }
        Ok(EnvPrefix(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}
