//! Settings that are read again while the server runs: all are taken over, or none.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use uringcast_engine::LiveConfig;

use crate::auth::{ApiKeys, Verifiers};
use crate::config::Config;
use crate::live_services::LiveServices;
use crate::log;
use crate::read_files::{Stamp, check_regular, stamp};
use crate::settings::{Changes, Problem, Problems, Settings};

/// Reads all sources of settings again: the same command line, environment and file.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, Problems> + Send>;

/// What metrics report of reloads.
#[derive(Clone, Copy, Debug)]
pub struct ReloadStatus {
    /// Whether what the sources give is in force, as far as a running server takes it over.
    pub is_successful: bool,
    /// Settings that have another value in their sources, and wait for a restart.
    pub waiting_for_restart: usize,
}

impl Default for ReloadStatus {
    fn default() -> ReloadStatus {
        ReloadStatus { is_successful: true, waiting_for_restart: 0 }
    }
}

/// The parts of a running server that settings are taken over by.
pub(crate) struct LiveParts {
    pub(crate) engine: LiveConfig,
    pub(crate) services: LiveServices,
    pub(crate) api_keys: ApiKeys,
    pub(crate) verifiers: Verifiers,
    /// The ports of the control port's addresses, whose pages may connect.
    pub(crate) control_ports: Vec<u16>,
}

/// Settings as they were read last.
pub(crate) struct ConfigReloader {
    read: ReadSettings,
    /// Where the program keeps its state.
    state: Option<PathBuf>,
    started: Arc<Settings>,
    /// Those in force. The drain reads its own there.
    running: Arc<RwLock<Arc<Settings>>>,
    parts: LiveParts,
    status: Arc<Mutex<ReloadStatus>>,
    /// The files as they were when last read.
    files: Vec<Stamp>,
    /// The files that have changed, as they were one check ago.
    changing: Option<Vec<Stamp>>,
}

/// A file that settings name, and that has a part of them in it.
type WatchedFile = (&'static str, PathBuf);

impl ConfigReloader {
    /// `files` are the stamps of [`watched_files`] from before `started` was read.
    pub(crate) fn new(
        (read, state): (ReadSettings, Option<PathBuf>),
        (started, files): (Arc<Settings>, Vec<Stamp>),
        running: Arc<RwLock<Arc<Settings>>>,
        parts: LiveParts,
        status: Arc<Mutex<ReloadStatus>>,
    ) -> ConfigReloader {
        ConfigReloader { read, state, started, running, parts, status, files, changing: None }
    }

    /// Takes over what the files have, once they have changed and are the same for one check: what
    /// is being written may be half of it, and valid. To be called once a second.
    pub(crate) fn check(&mut self) {
        let now = stamps(&watched_files(&self.running.read()));
        if now == self.files {
            self.changing = None;
        } else if self.changing.as_ref() == Some(&now) {
            drop(self.reload());
        } else {
            self.changing = Some(now);
        }
    }

    /// Reads everything again at once: SIGHUP. Returns what came of it, as it is logged.
    pub(crate) fn reload(&mut self) -> String {
        let running = Arc::clone(&self.running.read());
        let watched = watched_files(&running);
        // Before they are read: what changes meanwhile is seen the next time.
        let (now, before) = (stamps(&watched), std::mem::take(&mut self.files));
        let changed: Vec<&str> = (watched.iter().zip(now.iter().zip(&before)))
            .filter(|(_, (now, before))| now != before)
            .map(|((setting, _), _)| *setting)
            .collect();
        (self.files, self.changing) = (now, None);
        match self.replace(&running, &watched, &changed) {
            Ok((said, waiting_for_restart)) => {
                // The settings may name other files now.
                let watched = watched_files(&self.running.read());
                if watched.len() != self.files.len() || watched != watched_files(&running) {
                    self.files = stamps(&watched);
                }
                *self.status.lock() = ReloadStatus { is_successful: true, waiting_for_restart };
                let said = format!("reloaded: {said}");
                tracing::info!("{said}");
                said
            }
            Err(problems) => {
                self.status.lock().is_successful = false;
                let problems = problems.to_string().replace('\n', " ");
                let said = format!("not reloaded, all settings stay as they are: {problems}");
                tracing::warn!("{said}");
                said
            }
        }
    }

    /// Takes over what can be, and returns what to say of it, and how many settings cannot.
    fn replace(
        &self,
        running: &Settings,
        watched: &[WatchedFile],
        changed: &[&str],
    ) -> Result<(String, usize), Problems> {
        check_files(watched)?;
        let new = (self.read)()?;
        refuse_other_services(&self.started, &new)?;
        check_files(&watched_files(&new))?;
        let state = self.state.as_deref();
        // As a start would: what a restart is to take over must not fail then.
        Config::resolve(&new, state)?;
        let effective = self.started.with_live(&new)?;
        let mut config = Config::resolve(&effective, state)?;
        self.refuse_other_modes(&effective, &config)?;
        config.admit_pages_of(&self.parts.control_ports);
        self.parts.engine.replace(&config.engine).map_err(|error| {
            one(new.problem("max_connections", error.to_string(), "The engine has refused it."))
        })?;
        // From here on nothing fails.
        let changes = Changes::between(&self.started, running, &new);
        let mut said = changes.live;
        let keys = self.parts.api_keys.difference(&config.api_keys);
        said.extend(keys.map(|difference| format!("API keys: {difference}")));
        said.extend(changed.iter().map(|setting| format!("{setting} read again")));
        self.parts.api_keys.replace(&config.api_keys);
        self.parts.verifiers.replace(&config.verifiers);
        let services = self.parts.services.current();
        let services = services.iter().zip(config.engine.services).map(|(old, new)| {
            // Listeners and certificates are those of the start.
            uringcast_engine::Service { listen: old.listen.clone(), tls: old.tls.clone(), ..new }
        });
        self.parts.services.replace(services.collect());
        log::set_level(effective.log_level);
        *self.running.write() = Arc::new(effective);
        if !changes.needs_restart.is_empty() {
            said.push(format!("needs a restart: {}", changes.needs_restart.join(", ")));
        }
        let said = if said.is_empty() { "nothing has changed".into() } else { said.join("; ") };
        Ok((said, changes.needs_restart.len()))
    }

    /// Verifiers run where clients need tokens, or do not, and a key that is given or taken away
    /// decides that too.
    fn refuse_other_modes(&self, settings: &Settings, config: &Config) -> Result<(), Problems> {
        let services = self.parts.services.current();
        let pairs = services.iter().zip(&config.engine.services).zip(settings.services());
        for ((old, new), settings) in pairs {
            if old.access.mode != new.access.mode {
                let name = &old.name;
                let reason = format!("{name} would begin or cease to take tokens while it serves");
                let remedy = "Restart the server, or leave the keys of tokens as they were.";
                return Err(one(settings.problem("auth_enabled", reason, remedy)));
            }
        }
        Ok(())
    }
}

fn one(problem: Problem) -> Problems {
    Problems(vec![problem])
}

/// Services that come, go or are called something else have listeners, which a restart makes.
fn refuse_other_services(started: &Settings, new: &Settings) -> Result<(), Problems> {
    let names = |settings: &Settings| -> Vec<String> {
        settings.services().iter().map(|service| service.server_name.0.clone()).collect()
    };
    let (had, has) = (names(started), names(new));
    let is_same_form = started.fleet.is_empty() == new.fleet.is_empty();
    if had == has && is_same_form {
        return Ok(());
    }
    let reason = format!("the services are {}, and were {}", has.join(", "), had.join(", "));
    let remedy = "Restart the server: it listens for other services only then.";
    Err(one(new.problem("server_name", reason, remedy)))
}

/// The files with settings in them. Certificates and `jwks_file` have reloads of their own.
pub(crate) fn watched_files(settings: &Settings) -> Vec<WatchedFile> {
    let keys = [
        ("config", &settings.config),
        ("api_key_file", &settings.api_key_file),
        ("api_keys_file", &settings.api_keys_file),
    ];
    let tokens = settings.services().iter().flat_map(|service| {
        [("jwt_secret_file", &service.jwt_secret_file), ("jwt_public_key", &service.jwt_public_key)]
    });
    let mut files: Vec<WatchedFile> = keys
        .into_iter()
        .chain(tokens)
        .filter_map(|(setting, path)| Some((setting, path.clone()?)))
        .collect();
    files.dedup();
    files
}

pub(crate) fn stamps(files: &[WatchedFile]) -> Vec<Stamp> {
    files.iter().map(|(_, path)| stamp(path)).collect()
}

fn check_files(files: &[WatchedFile]) -> Result<(), Problems> {
    let problems = files.iter().filter_map(|(setting, path)| check_regular(setting, path).err());
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}
