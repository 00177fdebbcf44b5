//! What this tool shows a secured server, as typed.

use std::path::PathBuf;

use clap::Args;

/// Flags of a run.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Credentials")]
pub(crate) struct Credentials {
    /// Token of every connection, sent with the upgrade as Authorization: Bearer.
    #[arg(long, value_name = "TOKEN", env = "LOADGEN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// File with one token a line: client k has line k, and begins again after the last.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the key that signs a token for each client: a shared secret (HS256), or a private
    /// key as PEM (RS256, ES256 or EdDSA).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "token_file"])]
    pub(crate) token_key: Option<PathBuf>,
    /// Claims of these tokens as JSON; {client} is the client's number. iat and exp, an hour
    /// later, are added unless given.
    #[arg(
        long,
        value_name = "JSON",
        requires = "token_key",
        default_value = r#"{"sub":"loadgen-{client}"}"#
    )]
    pub(crate) token_claims: String,
    /// Key of the control port.
    #[arg(long, value_name = "KEY", env = "LOADGEN_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Which service to publish to, where the server has several.
    #[arg(long, value_name = "NAME", requires = "control_url")]
    pub(crate) service: Option<String>,
}

impl Credentials {
    /// The path of publish requests.
    pub(crate) fn publish_path(&self) -> String {
        let service = self.service.as_ref().map(|name| format!("/services/{name}"));
        format!("/v1{}/publish", service.unwrap_or_default())
    }

    /// The header lines of publish requests.
    pub(crate) fn publish_headers(&self) -> String {
        let key = self.api_key.as_ref();
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        format!("{key}Content-Type: application/json\r\n")
    }
}
