//! The headers of a request that the control port's rules look at, whatever has read the request.

use axum::http::HeaderMap;

/// What a request gives for one header: nothing, a value, or several of which this is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given<'a> {
    first: Option<&'a [u8]>,
    is_repeated: bool,
}

impl<'a> Given<'a> {
    /// What these headers give for the one of this name.
    pub(super) fn of(headers: &'a HeaderMap, name: &str) -> Given<'a> {
        let mut given = Given::default();
        headers.get_all(name).iter().for_each(|value| given.add(value.as_bytes()));
        given
    }

    fn add(&mut self, value: &'a [u8]) {
        self.is_repeated = self.first.is_some();
        self.first.get_or_insert(value);
    }

    pub(super) fn is_given(self) -> bool {
        self.first.is_some()
    }

    pub(super) fn is_repeated(self) -> bool {
        self.is_repeated
    }

    /// The first value.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        self.first
    }

    /// The first value, if it is visible ASCII, blanks and tabs.
    pub(super) fn text(self) -> Option<&'a str> {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        let text = self.first.filter(|value| value.iter().all(is_text))?;
        std::str::from_utf8(text).ok()
    }

    /// The one value, if there is one.
    ///
    /// # Errors
    /// There are several, or it is no text.
    pub(super) fn single(self) -> Result<Option<&'a str>, ()> {
        match (self.first, self.text()) {
            (None, _) => Ok(None),
            (Some(_), Some(text)) if !self.is_repeated => Ok(Some(text)),
            _ => Err(()),
        }
    }
}

/// All of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleHeaders<'a> {
    pub(super) host: Given<'a>,
    pub(super) origin: Given<'a>,
    pub(super) fetch_site: Given<'a>,
    pub(super) authorization: Given<'a>,
    pub(super) api_key: Given<'a>,
    pub(super) content_type: Given<'a>,
    pub(super) content_length: Given<'a>,
    pub(super) transfer_encoding: Given<'a>,
    pub(super) idempotency_key: Given<'a>,
}

impl<'a> RuleHeaders<'a> {
    /// Those of a request that hyper has read.
    pub(super) fn of(headers: &'a HeaderMap) -> RuleHeaders<'a> {
        let mut rules = RuleHeaders::default();
        headers.iter().for_each(|(name, value)| rules.add(name.as_str(), value.as_bytes()));
        rules
    }

    /// Adds a header, if it is one of these.
    pub(super) fn add(&mut self, name: &str, value: &'a [u8]) {
        // By their lengths, so that a name is compared with one of them.
        let (known, given) = match name.len() {
            4 => ("host", &mut self.host),
            6 => ("origin", &mut self.origin),
            9 => ("x-api-key", &mut self.api_key),
            12 => ("content-type", &mut self.content_type),
            13 => ("authorization", &mut self.authorization),
            14 if name.starts_with(['S', 's']) => ("sec-fetch-site", &mut self.fetch_site),
            14 => ("content-length", &mut self.content_length),
            15 => ("idempotency-key", &mut self.idempotency_key),
            17 => ("transfer-encoding", &mut self.transfer_encoding),
            _ => return,
        };
        if known.eq_ignore_ascii_case(name) {
            given.add(value);
        }
    }
}
