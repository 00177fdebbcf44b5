//! What to do about a refusal, given what was tried.

/// What the flags gave the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) token: bool,
    pub(crate) api_key: bool,
    /// Messages are published over HTTP.
    pub(crate) http: bool,
    pub(crate) service: Option<String>,
    /// Compression was offered.
    pub(crate) compression: bool,
    /// What to do when a certificate is refused.
    pub(crate) for_certificate: &'static str,
}

impl Given {
    /// What to do about an error code of the server, or a status of its control port.
    pub(crate) fn remedy_for(&self, code: &str) -> String {
        match code {
            "AUTH_REQUIRED" | "HTTP 401" if !self.http => self.for_authentication(),
            "AUTH_FAILED" => "the server refuses the token: compare its key, algorithm, exp, iss \
                 and aud with the server's settings (`uringcast-server token` makes one that fits)"
                .into(),
            "HTTP 401" if self.api_key => {
                "the control port does not know this --api-key: compare it with api_key or \
                 api_keys_file of the server"
                    .into()
            }
            "HTTP 401" => "give the server's key with --api-key".into(),
            "HTTP 403" if self.api_key => {
                "this --api-key is not for these channels, this service or for publishing: use \
                 another, or give it the right"
                    .into()
            }
            "HTTP 403" => "give a key of the control port with --api-key".into(),
            "FORBIDDEN" | "UNKNOWN_REQUEST" => self.for_permission(),
            "RATE_LIMIT_EXCEEDED" => "start the server with --message-rate 0, or use more \
                 --publishers or --publish http"
                .into(),
            "BUSY" | "HTTP 503" | "HTTP 429" => "the server is saturated: lower --rate".into(),
            "HTTP 400" | "HTTP 404" => self.for_service(),
            "HTTP 413" => "lower --payload, or raise the server's --max-message-size".into(),
            "HTTP 507" => "raise the server's --shard-channels, or use fewer --channels".into(),
            _ => "see the server's log".into(),
        }
    }

    /// What to do about a close code and its reason.
    pub(crate) fn remedy_for_close(&self, reason: &str) -> String {
        match reason.split(' ').next().unwrap_or_default() {
            "1013" => "raise the server's --max-connections, or lower --ramp".into(),
            "4001" => self.remedy_for("AUTH_FAILED"),
            "4002" | "4101" => self.for_authentication(),
            "1008" if reason.contains("Authentication required") => self.for_authentication(),
            "1008" if reason.contains("Authentication failed") => self.remedy_for("AUTH_FAILED"),
            _ => "see the server's log".into(),
        }
    }

    /// What to do about an upgrade that was answered with another status than 101.
    pub(crate) fn remedy_for_upgrade(&self, answer: &str) -> String {
        match answer.split(' ').nth(1).unwrap_or_default() {
            "401" => self.for_authentication(),
            "403" => "does the server want a client certificate, or another Host or Origin?".into(),
            "404" => "is the path of the URL one that the server upgrades?".into(),
            "429" => {
                "the server limits connections of an address: use more --source-addresses, or \
                 raise its limit"
                    .into()
            }
            _ => "is this the WebSocket port of the server?".into(),
        }
    }

    fn for_authentication(&self) -> String {
        if self.token {
            "the token did not reach the server: does a proxy before it drop the Authorization \
             header?"
                .into()
        } else {
            "the server wants a token: give --token, --token-file, or --token-key to sign one for \
             each client"
                .into()
        }
    }

    fn for_permission(&self) -> String {
        if self.token {
            "the token has no permission for this channel: give it one (--token-claims where \
             --token-key signs it), or publish with --publish http"
                .into()
        } else {
            "start the server with --anonymous-publish, give a --token that may publish, or use \
             --publish http"
                .into()
        }
    }

    fn for_service(&self) -> String {
        match &self.service {
            Some(name) => format!(
                "does the server have a service {name}? GET /v1/services of the control port \
                 lists them for --service"
            ),
            None => "a server with several services needs --service NAME (GET /v1/services of the \
                     control port lists them); else, is --control-url its control port?"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests;
