//! Files that are read again while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::{io, thread};

use uringcast_engine::ServiceId;

use crate::auth::Verifiers;
use crate::certs::CertReloader;
use crate::config_reload::ConfigReloader;
use crate::systemd;

/// The thread that reads settings, certificates and JWKS files again: a file system that does not
/// answer blocks nothing else.
pub(super) struct ReloadThread {
    /// Holds one: a pending check makes another one useless.
    wake: SyncSender<()>,
    /// Everything is to be read, changed or not.
    all: Arc<AtomicBool>,
}

impl ReloadThread {
    /// Starts the thread, which ends when this is dropped, unless reading a file blocks it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(
        mut config: ConfigReloader,
        mut reloaders: Vec<(ServiceId, CertReloader)>,
        verifiers: Verifiers,
    ) -> io::Result<ReloadThread> {
        let (wake, woken) = sync_channel(1);
        let all = Arc::new(AtomicBool::new(false));
        let reloads = Arc::clone(&all);
        thread::Builder::new().name("reload".into()).spawn(move || {
            while woken.recv().is_ok() {
                let all = reloads.swap(false, Ordering::Relaxed);
                let said = all.then(|| {
                    systemd::reloading();
                    config.reload()
                });
                if !all {
                    config.check();
                }
                for (_, reloader) in &mut reloaders {
                    if all { reloader.reload() } else { reloader.check() }
                }
                verifiers.reload(all);
                said.into_iter().for_each(|said| systemd::ready(&said));
            }
        })?;
        Ok(ReloadThread { wake, all })
    }

    /// Wakes the thread, which checks whether files have changed.
    pub(super) fn check(&self) {
        // Full: it is going to.
        let _ = self.wake.try_send(());
    }

    /// Reads all of it, soon.
    pub(super) fn reload(&self) {
        self.all.store(true, Ordering::Relaxed);
        self.check();
    }
}
