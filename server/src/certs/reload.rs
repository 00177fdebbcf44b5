//! Reloads a running server's certificates: on SIGHUP, when files change, before they expire.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use uringcast_engine::{RevokedCertificates, TlsSource};

use super::cert_key_pair::warn_if_readable_by_all;
use super::{ServedCert, TicketKeys, load};
use crate::config::{Identity, Tls};
use crate::limits::{AUTO_CERT_MARGIN, EXPIRY_CHECK, EXPIRY_WARNING, MAX_TORN_CHECKS};
use crate::read_files::{Stamp, stamp};
use crate::settings::Problem;

/// What metrics report of the certificates.
#[derive(Clone, Debug, Default)]
pub struct CertStatus {
    /// Name and end, in seconds since 1970, of each.
    pub certificates: Vec<(String, i64)>,
    /// Reloads that put new certificates into force.
    pub reloaded: u64,
    /// Reloads that kept the old ones.
    pub failed: u64,
}

/// The certificates of a running server.
pub struct CertReloader {
    tls: Tls,
    /// What tickets are sealed with.
    pub(crate) tickets: TicketKeys,
    /// For the engine's listeners.
    pub(crate) source: TlsSource,
    /// For metrics.
    pub(crate) status: Arc<Mutex<CertStatus>>,
    /// What is served, the default first.
    pub(crate) served: Vec<ServedCert>,
    /// Clients' certificates that lists have come to name, until [`CertReloader::take_revoked`].
    revoked: Option<Arc<RevokedCertificates>>,
    /// The files as they were when last read, or given up.
    checked: Vec<Stamp>,
    /// The files as they were when they failed, perhaps because only half of them had been
    /// written, and how many checks in a row have failed.
    torn: Option<(Vec<Stamp>, u32)>,
    /// When the expiry of the certificates was last checked.
    expiry_checked: Instant,
}

impl CertReloader {
    /// Reads, or makes, the certificates.
    ///
    /// # Errors
    /// As [`load`].
    pub fn start(tls: Tls) -> Result<CertReloader, Problem> {
        let (checked, tickets) = (stamps(&tls), TicketKeys::default());
        let loaded = load(&tls, &tickets)?;
        let reloader = CertReloader {
            tls,
            tickets,
            source: TlsSource::new(loaded.config),
            status: Arc::default(),
            served: loaded.served,
            revoked: None,
            checked,
            torn: None,
            expiry_checked: Instant::now(),
        };
        reloader.report();
        Ok(reloader)
    }

    /// Checks whether files have changed or certificates end. To be called once a second.
    pub fn check(&mut self) {
        let now = stamps(&self.tls);
        if now != self.checked {
            match self.replace() {
                Ok(()) => self.checked = now,
                Err(problem) => self.retry_or_give_up(now, &problem),
            }
        } else if self.expiry_checked.elapsed() >= EXPIRY_CHECK {
            let margin = AUTO_CERT_MARGIN.as_secs().cast_signed();
            let ends = self.served.iter().any(|served| served.seconds_left() < margin);
            match self.tls.identity {
                Identity::Auto { .. } if ends => self.reload(),
                _ => self.report(),
            }
            self.expiry_checked = Instant::now();
        }
    }

    /// Certificate and key are seldom written at the same instant: retries once, and again while
    /// they change, up to [`MAX_TORN_CHECKS`] times.
    fn retry_or_give_up(&mut self, now: Vec<Stamp>, problem: &Problem) {
        let checks = match self.torn.take() {
            Some((before, checks)) if before != now => checks + 1,
            Some(_) => MAX_TORN_CHECKS,
            None => 1,
        };
        if checks < MAX_TORN_CHECKS {
            self.torn = Some((now, checks));
        } else {
            self.checked = now;
            self.keep_old(problem);
        }
    }

    /// Reads everything again at once: SIGHUP.
    pub fn reload(&mut self) {
        let now = stamps(&self.tls);
        if let Err(problem) = self.replace() {
            self.keep_old(&problem);
        }
        self.checked = now;
    }

    /// The clients' certificates that count no more, after files were read again. The open
    /// connections that showed one are to be closed.
    pub fn take_revoked(&mut self) -> Option<Arc<RevokedCertificates>> {
        self.revoked.take()
    }

    fn replace(&mut self) -> Result<(), Problem> {
        let loaded = load(&self.tls, &self.tickets)?;
        self.source.replace(loaded.config);
        if !loaded.revoked.is_empty() {
            self.revoked = Some(Arc::new(loaded.revoked));
        }
        (self.served, self.torn) = (loaded.served, None);
        self.status.lock().reloaded += 1;
        tracing::info!("certificates reloaded");
        self.report();
        Ok(())
    }

    fn keep_old(&mut self, problem: &Problem) {
        self.torn = None;
        self.status.lock().failed += 1;
        tracing::error!("certificates not reloaded, the old ones stay in force: {problem}");
    }

    /// Logs what is served, and warns of certificates that end and keys that all users may read.
    fn report(&self) {
        self.status.lock().certificates = labels(&self.served);
        if let Identity::Files(all) = &self.tls.identity {
            for files in all {
                warn_if_readable_by_all(files.settings[1], &files.pair.key);
            }
        }
        for served in &self.served {
            let (path, sha256) = (served.path.display(), &served.fingerprint);
            tracing::info!(automatic = served.automatic, %path, %sha256, "serving wss");
            let left = served.seconds_left();
            let days = left / 86_400;
            if left < 0 {
                tracing::error!("the certificate {path} has ended: clients refuse it; renew it");
            } else if left < EXPIRY_WARNING.as_secs().cast_signed() {
                tracing::warn!("the certificate {path} ends in {days} days; renew it");
            }
        }
    }
}

/// By common name; by path where that is missing, or another's too, or both are the same file.
fn labels(served: &[ServedCert]) -> Vec<(String, i64)> {
    let mut all: Vec<(String, i64)> = Vec::new();
    for one in served {
        let taken = |name: &str| all.iter().any(|(other, _)| other == name);
        let path = one.path.display().to_string();
        let name = if one.name.is_empty() || taken(&one.name) { path } else { one.name.clone() };
        if !taken(&name) {
            all.push((name, one.not_after));
        }
    }
    all
}

/// The stamp of every file the operator has named. An automatic certificate is changed only by the
/// server.
fn stamps(tls: &Tls) -> Vec<Stamp> {
    let mut paths: Vec<&PathBuf> = Vec::new();
    if let Identity::Files(all) = &tls.identity {
        paths.extend(all.iter().flat_map(|files| [&files.pair.cert, &files.pair.key]));
    }
    if let Some(clients) = &tls.clients {
        paths.push(&clients.ca);
        paths.extend(&clients.crl);
    }
    paths.into_iter().map(|path| stamp(path)).collect()
}
