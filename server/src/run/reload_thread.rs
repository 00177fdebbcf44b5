//! Files that are read again while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;
use std::{io, thread};

use tokio::runtime::Handle;
use uringcast_engine::ServiceId;
use uringcast_engine::limits::HANDSHAKE_TIMEOUT;

use crate::auth::Verifiers;
use crate::certs::CertReloader;
use crate::config_reload::ConfigReloader;
use crate::http::Control;
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
    /// Starts the thread on a runtime. It ends when this is dropped, unless reading a file blocks
    /// it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(
        mut config: ConfigReloader,
        mut reloaders: Vec<(ServiceId, CertReloader)>,
        verifiers: Verifiers,
        control: Arc<Control>,
    ) -> io::Result<ReloadThread> {
        let runtime = Handle::current();
        let (wake, woken) = sync_channel(1);
        let all = Arc::new(AtomicBool::new(false));
        let reloads = Arc::clone(&all);
        thread::Builder::new().name("reload".into()).spawn(move || {
            let mut again = Vec::new();
            while woken.recv().is_ok() {
                let all = reloads.swap(false, Ordering::Relaxed);
                let summary = all.then(|| {
                    systemd::reloading();
                    config.reload()
                });
                if !all {
                    config.check();
                }
                for (service, reloader) in &mut reloaders {
                    if all {
                        reloader.reload()
                    } else {
                        reloader.check()
                    }
                    if let Some(revoked) = reloader.take_revoked() {
                        runtime.block_on(control.close_revoked(*service, Arc::clone(&revoked)));
                        // Handshakes that the certificates before have let in are over by then.
                        let due = Instant::now() + 2 * HANDSHAKE_TIMEOUT;
                        again.push((due, *service, revoked));
                    }
                }
                again.retain(|(due, service, revoked)| {
                    let is_due = *due <= Instant::now();
                    if is_due {
                        runtime.block_on(control.close_revoked(*service, Arc::clone(revoked)));
                    }
                    !is_due
                });
                verifiers.reload(all);
                summary.into_iter().for_each(|summary| systemd::ready(&summary));
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
