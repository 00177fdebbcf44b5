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
    /// The ports of the control port's addresses: their pages may connect.
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
    /// The files with settings in them, as they were when last read.
    files: Vec<WatchedFile>,
    /// The same, some of which have changed, as they were one check ago.
    changing: Option<Vec<WatchedFile>>,
}

/// A file that a setting names, and that has a part of the settings in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchedFile {
    setting: &'static str,
    path: PathBuf,
    stamp: Stamp,
}

impl WatchedFile {
    fn new(setting: &'static str, path: PathBuf) -> WatchedFile {
        WatchedFile { setting, stamp: stamp(&path), path }
    }

    fn is(&self, other: &WatchedFile) -> bool {
        (self.setting, &self.path) == (other.setting, &other.path)
    }
}

impl ConfigReloader {
    /// `files` are the [`watched_files`] of `started`, from before they were read.
    pub(crate) fn new(
        (read, state): (ReadSettings, Option<PathBuf>),
        (started, files): (Arc<Settings>, Vec<WatchedFile>),
        running: Arc<RwLock<Arc<Settings>>>,
        parts: LiveParts,
        status: Arc<Mutex<ReloadStatus>>,
    ) -> ConfigReloader {
        ConfigReloader { read, state, started, running, parts, status, files, changing: None }
    }

    /// The watched files as they are now.
    fn look(&self) -> Vec<WatchedFile> {
        let again = |file: &WatchedFile| WatchedFile::new(file.setting, file.path.clone());
        self.files.iter().map(again).collect()
    }

    /// Watches the files that these settings name, and no other ones from now on.
    fn watch(&mut self, settings: &[&Settings]) {
        let mut files: Vec<WatchedFile> = Vec::new();
        for file in settings.iter().flat_map(|settings| watched_files(settings)) {
            if !files.iter().any(|other| other.is(&file)) {
                let known = self.files.iter().find(|known| known.is(&file)).cloned();
                files.push(known.unwrap_or(file));
            }
        }
        self.files = files;
    }

    /// Takes over what the files have, once they have changed and are the same for one check: what
    /// is being written may be half of it, and valid. To be called once a second.
    pub(crate) fn check(&mut self) {
        let now = self.look();
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
        // Before they are read: what changes meanwhile is seen the next time.
        let now = self.look();
        let pairs = now.iter().zip(&self.files).filter(|(now, before)| now != before);
        let changed: Vec<&str> = pairs.map(|(now, _)| now.setting).collect();
        (self.files, self.changing) = (now, None);
        let new = self.read_settings(&running);
        if let Ok(new) = &new {
            // Also what is named only now: where it is missing, it may come.
            self.watch(&[&running, new]);
        }
        match new.and_then(|new| self.replace(&running, &new, &changed)) {
            Ok((summary, waiting_for_restart)) => {
                let running = Arc::clone(&self.running.read());
                self.watch(&[&running]);
                *self.status.lock() = ReloadStatus { is_successful: true, waiting_for_restart };
                let summary = format!("reloaded: {summary}");
                tracing::info!("{summary}");
                log::set_level(running.log_level);
                summary
            }
            Err(problems) => {
                self.status.lock().is_successful = false;
                let problems = problems.to_string().replace('\n', " ");
                let summary = format!("not reloaded, all settings stay as they are: {problems}");
                tracing::warn!("{summary}");
                summary
            }
        }
    }

    fn read_settings(&self, running: &Settings) -> Result<Settings, Problems> {
        if let Some(path) = &running.config {
            check_regular("config", path).map_err(one)?;
        }
        (self.read)()
    }

    /// Takes over what can be, and returns what to say of it, and how many settings cannot.
    fn replace(
        &self,
        running: &Settings,
        new: &Settings,
        changed: &[&str],
    ) -> Result<(String, usize), Problems> {
        refuse_other_services(&self.started, new)?;
        check_files(&watched_files(new))?;
        let state = self.state.as_deref();
        // As a start would: what a restart is to take over must not fail then.
        Config::resolve(new, state)?;
        let effective = self.started.with_live(new)?;
        let mut config = Config::resolve(&effective, state)?;
        self.refuse_other_modes(&effective, &config)?;
        config.admit_pages_of(&self.parts.control_ports);
        self.parts.engine.replace(&config.engine).map_err(|error| {
            one(new.problem("max_connections", error.to_string(), "The engine has refused it."))
        })?;
        // From here on nothing fails.
        let changes = Changes::between(&self.started, running, new);
        let mut summary = changes.live;
        let keys = self.parts.api_keys.difference(&config.api_keys);
        summary.extend(keys.map(|difference| format!("API keys: {difference}")));
        summary.extend(changed.iter().map(|setting| format!("{setting} read again")));
        self.parts.api_keys.replace(&config.api_keys);
        self.parts.verifiers.replace(&config.verifiers);
        let services = self.parts.services.current();
        let services = services.iter().zip(config.engine.services).map(|(old, new)| {
            // Listeners and certificates are those of the start.
            uringcast_engine::Service { listen: old.listen.clone(), tls: old.tls.clone(), ..new }
        });
        self.parts.services.replace(services.collect());
        // The line about it is to be written, also where that is the last one of its level.
        log::set_level(effective.log_level.max(running.log_level));
        *self.running.write() = Arc::new(effective);
        if !changes.needs_restart.is_empty() {
            summary.push(format!("needs a restart: {}", changes.needs_restart.join(", ")));
        }
        let summary =
            if summary.is_empty() { "nothing has changed".into() } else { summary.join("; ") };
        Ok((summary, changes.needs_restart.len()))
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

/// The files with settings in them, as they are now. Certificates and `jwks_file` have reloads of
/// their own.
pub(crate) fn watched_files(settings: &Settings) -> Vec<WatchedFile> {
    let keys = [
        ("config", &settings.config),
        ("api_key_file", &settings.api_key_file),
        ("api_keys_file", &settings.api_keys_file),
    ];
    let tokens = settings.services().iter().flat_map(|service| {
        [("jwt_secret_file", &service.jwt_secret_file), ("jwt_public_key", &service.jwt_public_key)]
    });
    let named = keys.into_iter().chain(tokens);
    let named = named.filter_map(|(setting, path)| Some((setting, path.clone()?)));
    named.map(|(setting, path)| WatchedFile::new(setting, path)).collect()
}

/// Refuses files that cannot be read again and again.
fn check_files(files: &[WatchedFile]) -> Result<(), Problems> {
    let check = |file: &WatchedFile| check_regular(file.setting, &file.path).err();
    let problems: Vec<Problem> = files.iter().filter_map(check).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}
