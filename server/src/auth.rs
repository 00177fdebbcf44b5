//! Authentication. Clients send JSON Web Tokens (RFC 7519), which separate threads verify, so that
//! shards do not wait. Publishers send API keys.

mod api_keys;
mod claims;
mod keys;
pub mod revocations;
mod token;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use api_keys::ApiKeys;
pub use keys::{KeyError, Keys};
use parking_lot::{Mutex, RwLock};
pub use token::ClaimRules;
use uringcast_engine::{AuthError, Engine, TokenFault, Verifications};

use crate::limits::VERIFIER_NICE;
use crate::read_files::{self, Stamp, stamp};
use crate::settings::Problem;
use revocations::Revocations;
use token::Verified;

/// The remedy for [`KeyError::Guessable`].
pub const SECRET_REMEDY: &str = "Make one with `openssl rand -base64 48`, or listen on 127.0.0.1 \
                                 and without trusted_proxies.";

/// What tokens are verified with. The JWKS file may change while the server runs.
#[derive(Debug)]
pub struct Verifier {
    keys: RwLock<Arc<Keys>>,
    /// Keys that do not change.
    fixed: Keys,
    jwks: Option<WatchedFile>,
    rules: ClaimRules,
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// What the file looked like when it was last read.
    last_stamp: Mutex<Stamp>,
}

impl Verifier {
    /// A verifier with the fixed keys and those of a JWKS file.
    ///
    /// # Errors
    /// A [`Problem`] with the JWKS file.
    pub fn new(fixed: Keys, jwks: Option<PathBuf>, rules: ClaimRules) -> Result<Verifier, Problem> {
        let (keys, jwks) = match jwks {
            None => (fixed.clone(), None),
            Some(path) => {
                let last_stamp = Mutex::new(stamp(&path));
                (read(&path, &fixed)?, Some(WatchedFile { path, last_stamp }))
            }
        };
        Ok(Verifier { keys: RwLock::new(Arc::new(keys)), fixed, jwks, rules })
    }

    /// Verifies a token and returns what it says.
    ///
    /// # Errors
    /// [`TokenFault`] when the token is not valid.
    fn verify(&self, token: &str) -> Result<Verified, TokenFault> {
        let keys = Arc::clone(&self.keys.read());
        token::verify(token, &keys, &self.rules)
    }

    /// Reads the JWKS file again, if it has changed or `always`. If it is not valid, this is logged
    /// and the old keys stay in force.
    pub fn reload(&self, always: bool) {
        let Some(WatchedFile { path, last_stamp }) = &self.jwks else { return };
        // Before the file is read: what changes meanwhile is seen the next time.
        let now = stamp(path);
        if std::mem::replace(&mut *last_stamp.lock(), now) == now && !always {
            return;
        }
        match read(path, &self.fixed) {
            Ok(all) => {
                tracing::info!(path = %path.display(), keys = all.len(), "jwks_file read again");
                *self.keys.write() = Arc::new(all);
            }
            Err(problem) => tracing::error!("{problem} The keys of before stay in force."),
        }
    }
}

/// The verifiers of all services; `None` where authentication is off. Clones share them: through
/// any they are replaced.
#[derive(Clone, Debug, Default)]
pub struct Verifiers {
    by_service: Arc<RwLock<Arc<[Option<Verifier>]>>>,
    revocations: Arc<Revocations>,
}

impl Verifiers {
    /// Verifiers by service, in the engine's order, and what was revoked of their tokens.
    pub fn new(by_service: Vec<Option<Verifier>>, revocations: Revocations) -> Verifiers {
        let by_service = Arc::new(RwLock::new(by_service.into()));
        Verifiers { by_service, revocations: revocations.into() }
    }

    fn all(&self) -> Arc<[Option<Verifier>]> {
        Arc::clone(&self.by_service.read())
    }

    fn verify(&self, place: usize, token: &str) -> Option<Result<Verified, TokenFault>> {
        self.all().get(place)?.as_ref().map(|verifier| verifier.verify(token))
    }

    /// Whether the service at this place takes a token, or why not; `None` where it verifies none.
    pub fn takes(&self, place: usize, token: &str) -> Option<Result<(), TokenFault>> {
        self.verify(place, token).map(|verified| verified.map(drop))
    }

    /// Takes those of another set, of the same services. Tokens that are being verified are
    /// verified as before, and what was revoked stays so.
    pub fn replace(&self, new: &Verifiers) {
        let new = new.all();
        *self.by_service.write() = new;
    }

    /// What was revoked.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Reads the JWKS files again, those that have changed or all.
    pub fn reload(&self, all: bool) {
        self.all().iter().flatten().for_each(|verifier| verifier.reload(all));
    }

    /// Starts threads that verify the tokens of the engine's clients, and end with the engine.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(&self, engine: &Engine, threads: usize) -> io::Result<Vec<JoinHandle<()>>> {
        let needed = self.all().iter().flatten().next().map_or(0, |_| threads);
        let start = |number| {
            let (verifiers, queue) = (self.clone(), engine.verifications());
            let name = format!("verifier-{number}");
            thread::Builder::new().name(name).spawn(move || verifiers.work(&queue))
        };
        (0..needed).map(start).collect()
    }

    fn work(&self, queue: &Verifications) {
        // On Linux this sets the niceness of this thread alone. Shards have priority: many tokens
        // at once must not delay a broadcast.
        if let Err(error) = rustix::process::setpriority_process(None, VERIFIER_NICE) {
            tracing::warn!("a verifier keeps its priority: {error}");
        }
        while let Some(verification) = queue.next() {
            let service = verification.service();
            match self.verify(service.index(), verification.token()) {
                Some(verified) => {
                    self.revocations.judge(service, verified, |v| verification.answer(v));
                }
                None => verification.answer(Err(AuthError::invalid())),
            }
            // The kernel lets even the least thread run for some milliseconds otherwise.
            thread::yield_now();
        }
    }
}

/// The fixed keys and those of a JWKS file, which are under the same rules.
fn read(path: &Path, fixed: &Keys) -> Result<Keys, Problem> {
    let bytes = read_files::read_followed("jwks_file", path)?;
    let fresh = fixed.jwks(&bytes).map_err(|error| {
        let remedy = match error {
            KeyError::Guessable => SECRET_REMEDY,
            _ => "Name a JWK Set (RFC 7517).",
        };
        read_files::problem("jwks_file", path, error.to_string(), remedy)
    })?;
    let mut all = fixed.clone();
    all.extend(fresh);
    Ok(all)
}

#[cfg(test)]
mod tests;
