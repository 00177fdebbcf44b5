//! Tokens that count no more, although their time is not over: `POST /v1/tokens/revoke`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use uringcast_engine::limits::SERVICE_SHARE;
use uringcast_engine::{AuthError, RevokedTokens, ServiceId, TokenFault, Verdict};

use super::token::Verified;
use crate::limits::{MAX_JWT_LEEWAY, MAX_REVOCATIONS, MAX_REVOCATIONS_FILE, SERVER_CLOCKS};
use crate::read_files::{check_writable, open_regular, problem};
use crate::settings::Problem;

/// The tokens that are meant, at one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The one with this `jti`.
    Jti(String),
    /// Those of a user.
    User(String),
    /// Those of all users.
    All,
}

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The tokens.
    pub subject: Subject,
    /// Of these, the ones issued before this second since 1970, and those that do not say.
    pub issued_before: Option<i64>,
    /// Until when it is remembered: a second since 1970.
    pub until: i64,
}

impl Revocation {
    /// Whether another one of the same tokens adds nothing to this one. What it lasts longer by may
    /// be the difference of two servers' clocks.
    pub fn covers(&self, other: &Revocation) -> bool {
        let is_later = match (self.issued_before, other.issued_before) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        is_later && self.until + SERVER_CLOCKS.as_secs().cast_signed() >= other.until
    }

    /// This one and another one of the same tokens together.
    #[must_use]
    pub fn and(&self, other: &Revocation) -> Revocation {
        let mut rule = Rule { issued_before: self.issued_before, until: self.until };
        rule.widen(Rule { issued_before: other.issued_before, until: other.until });
        let Rule { issued_before, until } = rule;
        Revocation { subject: self.subject.clone(), issued_before, until }
    }
}

/// Why a revocation is not kept.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// It is not in force.
    #[error(
        "there are as many revocations as are kept, {MAX_REVOCATIONS}, or half as many of a service"
    )]
    Full,
    /// It is in force until the server stops.
    #[error("it is in force, and cannot be saved: {0}")]
    NotSaved(#[from] io::Error),
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    service: String,
    subject: Subject,
    issued_before: Option<i64>,
    until: i64,
}

/// When what was revoked was issued, and until when that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    issued_before: Option<i64>,
    until: i64,
}

impl Rule {
    /// What was revoked before stays revoked.
    fn widen(&mut self, by: Rule) {
        let both = self.issued_before.zip(by.issued_before);
        self.issued_before = both.map(|(one, other)| one.max(other));
        self.until = self.until.max(by.until);
    }
}

type Rules = HashMap<(usize, Subject), Rule>;

/// The revocations of all services. At most [`MAX_REVOCATIONS`] are kept, none is evicted before
/// its time.
#[derive(Debug, Default)]
pub struct Revocations {
    rules: RwLock<Rules>,
    /// The file; held while it is written.
    file: Mutex<Option<PathBuf>>,
    /// The services' names, in the engine's order.
    services: Vec<String>,
    hasher: RandomState,
}

impl Revocations {
    /// With those of the file, if there is one already.
    ///
    /// # Errors
    /// A [`Problem`] with the file: what was revoked must not count again.
    pub fn read(file: Option<PathBuf>, services: Vec<String>) -> Result<Revocations, Problem> {
        let mut rules = Rules::new();
        if let Some(path) = &file {
            let bad = |reason: String| {
                let remedy = "Restore the file, or move it away to begin with no revocations.";
                problem("revocations_file", path, reason, remedy)
            };
            let text = text(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
            rules = parse(&text, &services).map_err(bad)?;
        }
        let (rules, file) = (RwLock::new(rules), Mutex::new(file));
        Ok(Revocations { rules, file, services, hasher: RandomState::new() })
    }

    /// Writes the file, if there is to be one.
    ///
    /// # Errors
    /// A [`Problem`] with the file.
    pub fn prepare(&self) -> Result<(), Problem> {
        let file = self.file.lock();
        let Some(path) = &*file else { return Ok(()) };
        self.save(path).map_err(|error| unwritable(path, &error))
    }

    /// Checks that the file can be written, without writing it.
    ///
    /// # Errors
    /// As [`Revocations::prepare`].
    pub fn check(&self) -> Result<(), Problem> {
        let file = self.file.lock();
        let Some(path) = &*file else { return Ok(()) };
        check_writable(path.parent().unwrap_or(path)).map_err(|error| unwritable(path, &error))
    }

    /// Adds one, and returns which tokens count no more. A call may wait for the disk.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke(
        &self,
        service: ServiceId,
        revocation: &Revocation,
    ) -> Result<RevokedTokens, RevokeError> {
        let file = self.file.lock();
        self.insert(service, revocation)?;
        file.as_ref().map(|path| self.save(path)).transpose()?;
        Ok(self.meant(revocation))
    }

    /// Which tokens a revocation is about, as the engine knows them.
    pub fn meant(&self, revocation: &Revocation) -> RevokedTokens {
        let (user, token) = match &revocation.subject {
            Subject::Jti(id) => (None, Some(self.hasher.hash_one(id))),
            Subject::User(user) => (Some(user.clone()), None),
            Subject::All => (None, None),
        };
        RevokedTokens { user, token, issued_before: revocation.issued_before }
    }

    /// Whether one more of a service is within the bound of all, and within its share of it.
    fn has_room(&self, rules: &Rules, service: ServiceId) -> bool {
        let share = match self.services.len() {
            0 | 1 => MAX_REVOCATIONS,
            _ => MAX_REVOCATIONS / SERVICE_SHARE,
        };
        let own = || rules.keys().filter(|(of, _)| *of == service.index()).count();
        rules.len() < share || rules.len() < MAX_REVOCATIONS && own() < share
    }

    /// Adds those that other nodes have. Returns whether any of them is new here.
    ///
    /// # Errors
    /// [`RevokeError`]; those before the first that finds no room are in force.
    pub fn learn(
        &self,
        all: impl IntoIterator<Item = (ServiceId, Revocation)>,
    ) -> Result<bool, RevokeError> {
        let file = self.file.lock();
        let mut is_new = false;
        for (service, revocation) in all {
            is_new |= self.insert(service, &revocation)?;
        }
        file.as_ref().filter(|_| is_new).map(|path| self.save(path)).transpose()?;
        Ok(is_new)
    }

    /// Those that are in force.
    pub fn in_force(&self) -> Vec<(ServiceId, Revocation)> {
        let now = now();
        let rules = self.rules.read();
        let shown = |((place, subject), rule): (&(usize, Subject), &Rule)| {
            let (subject, Rule { issued_before, until }) = (subject.clone(), *rule);
            (ServiceId(*place as u8), Revocation { subject, issued_before, until })
        };
        rules.iter().filter(|(_, rule)| rule.until > now).map(shown).collect()
    }

    /// Returns whether it is new.
    fn insert(&self, service: ServiceId, new: &Revocation) -> Result<bool, RevokeError> {
        let mut rules = self.rules.write();
        let key = (service.index(), new.subject.clone());
        if !self.has_room(&rules, service) && !rules.contains_key(&key) {
            let now = now();
            rules.retain(|_, rule| rule.until > now);
            if !self.has_room(&rules, service) {
                return Err(RevokeError::Full);
            }
        }
        let fresh = Rule { issued_before: new.issued_before, until: new.until };
        let Some(rule) = rules.get_mut(&key) else {
            rules.insert(key, fresh);
            return Ok(true);
        };
        let before = *rule;
        rule.widen(fresh);
        Ok(*rule != before)
    }

    /// Those that are in force, a line for each.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let now = now();
        let mut lines = Vec::new();
        for ((service, subject), rule) in &*self.rules.read() {
            if rule.until > now {
                let (service, subject) = (self.services[*service].clone(), subject.clone());
                let Rule { issued_before, until } = *rule;
                let line = Line { service, subject, issued_before, until };
                serde_json::to_writer(&mut lines, &line).expect("a line is JSON");
                lines.push(b'\n');
            }
        }
        lines
    }

    /// Adds those of the server before. What is in force here stays so.
    ///
    /// # Errors
    /// A line that is none, before anything is added.
    pub(crate) fn take_over(&self, lines: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(lines).map_err(|error| error.to_string())?;
        let before = parse(text, &self.services)?;
        let mut rules = self.rules.write();
        for (key, rule) in before {
            rules.entry(key).or_insert(rule).widen(rule);
        }
        Ok(())
    }

    /// The file anew: whole or not at all.
    fn save(&self, path: &Path) -> io::Result<()> {
        let lines = self.lines();
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        new.write_all(&lines)?;
        new.as_file().sync_all()?;
        new.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(dir)?.sync_all()
    }

    /// Calls `answer` with the verdict on a verified token. A revocation waits for that: the engine
    /// looks for the connections to close only after each has its answer.
    pub(super) fn judge(
        &self,
        service: ServiceId,
        verified: Result<Verified, TokenFault>,
        answer: impl FnOnce(Verdict),
    ) {
        let rules = self.rules.read();
        answer(verified.map_err(|fault| AuthError::Invalid(fault.into())).and_then(|token| {
            let Verified { mut identity, id } = token;
            identity.token = id.as_ref().map(|id| self.hasher.hash_one(id));
            let (user, now) = (identity.user.clone(), now());
            let subjects = [Some(Subject::User(user)), id.map(Subject::Jti), Some(Subject::All)];
            let revoked = subjects.into_iter().flatten().any(|subject| {
                let rule = rules.get(&(service.index(), subject));
                rule.is_some_and(|rule| {
                    let before = |at| identity.issued.is_none_or(|issued| issued < at);
                    rule.until > now && rule.issued_before.is_none_or(before)
                })
            });
            if !revoked {
                return Ok(identity);
            }
            let fault = TokenFault { why: "revoked".into(), user: Some(identity.user) };
            Err(AuthError::Invalid(fault.into()))
        }));
    }
}

/// Reads a line for each rule.
///
/// # Errors
/// What is wrong with one.
fn parse(text: &str, services: &[String]) -> Result<Rules, String> {
    let mut rules = Rules::new();
    for (number, line) in text.lines().enumerate() {
        let line: Line = serde_json::from_str(line)
            .map_err(|_| format!("has no revocation in line {}", number + 1))?;
        let place = services
            .iter()
            .position(|name| *name == line.service)
            .ok_or_else(|| format!("is about a service {:?}, which is none", line.service))?;
        let rule = Rule { issued_before: line.issued_before, until: line.until };
        rules.insert((place, line.subject), rule);
    }
    Ok(rules)
}

/// The present second since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// How long after a token's `exp` its revocation must be remembered.
pub fn leeway() -> i64 {
    (MAX_JWT_LEEWAY / 1_000).cast_signed()
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    let remedy = "Name a file in a directory where the server's user may write.";
    problem("revocations_file", path, format!("cannot be written: {error}"), remedy)
}

/// The file's text; none without a file.
fn text(path: &Path) -> io::Result<String> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let mut text = String::new();
    match file.take(MAX_REVOCATIONS_FILE + 1).read_to_string(&mut text)? as u64 {
        length if length > MAX_REVOCATIONS_FILE => Err(io::Error::other("it is too large")),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests;
