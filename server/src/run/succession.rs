//! The moment at which a server begins to serve, from a start or from another server, and may be
//! taken over itself.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use uringcast_engine::{Engine, HandedOver, Predecessor, ServiceId, StandingBy};

use super::RunError;
use crate::certs::CertReloader;
use crate::cluster::{Cluster, NodeHandover};
use crate::config::Config;
use crate::handover::{
    HttpSockets, Offer, SocketFile, TakeOver, TakeOverError, start_if_replaced, unpack,
};
use crate::http::Control;
use crate::settings::Settings;
use crate::systemd;

/// Connects to the server that this one is to take over from, if there is one.
pub(super) fn begin(
    from: Option<&Path>,
    config: &Config,
) -> Result<Option<TakeOver>, TakeOverError> {
    from.map(|path| TakeOver::begin(path, config.cluster.as_ref())).transpose()
}

/// Starts the engine, or one that goes on where that of another server ends. The cluster serves it,
/// if there is one.
pub(super) fn start_engine(
    config: uringcast_engine::Config,
    before: Option<TakeOver>,
    cluster: Option<&mut Cluster>,
) -> Result<(Engine, Option<StandingBy>), RunError> {
    let (engine, standing_by) = match before {
        None => (Engine::start(config)?, None),
        Some(before) => {
            let (engine, standing_by) = before.prepare(config)?;
            (engine, Some(standing_by))
        }
    };
    if let Some(cluster) = cluster {
        cluster.serve(engine.external_feed(), engine.shards());
    }
    Ok((engine, standing_by))
}

/// The control plane with what another process goes on with.
pub(super) fn prepare(
    control: Control,
    settings: &Settings,
    reloaders: &[(ServiceId, CertReloader)],
) -> Control {
    let tickets = reloaders.iter().map(|(id, reloader)| (*id, reloader.tickets.clone()));
    let control = control.with_tickets(tickets.collect());
    control.with_passing(settings.handover_socket.is_some())
}

/// What a successor is offered.
pub(super) struct Succession<'a> {
    settings: &'a Settings,
    engine: Predecessor,
    control: &'a Arc<Control>,
    http: HttpSockets,
    cluster: Option<NodeHandover>,
}

/// Where a successor may take over, which is told of; without `handover_socket` nowhere.
pub(super) struct Taken {
    is_taken: Option<oneshot::Receiver<HandedOver>>,
    file: Option<SocketFile>,
}

impl<'a> Succession<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        engine: Predecessor,
        control: &'a Arc<Control>,
        (http, cluster): (HttpSockets, Option<NodeHandover>),
    ) -> Succession<'a> {
        Succession { settings, engine, control, http, cluster }
    }

    /// Takes over, if there is a server to take over from; then waits for a successor.
    ///
    /// # Errors
    /// [`RunError`]. Once this server has taken over there is none.
    pub(super) fn begin(self, standing_by: Option<StandingBy>) -> Result<Taken, RunError> {
        let none = Taken { is_taken: None, file: None };
        let Some(standing_by) = standing_by else {
            self.store();
            return self.wait(false);
        };
        self.cluster.iter().for_each(NodeHandover::join_nodes);
        let prepared = standing_by.read().map_err(TakeOverError::from)?;
        let unpacked = unpack(prepared.blobs(), self.control).and_then(|()| match &self.cluster {
            Some(cluster) => cluster.go_on(prepared.blobs()),
            None => Ok(()),
        });
        if let Err(why) = unpacked {
            return Err(TakeOverError::from(prepared.refuse(&why)).into());
        }
        prepared.serve().map_err(TakeOverError::from)?;
        tracing::info!("taken over from the server before");
        // It serves: no fault may end it any more.
        Ok(self.wait(true).unwrap_or_else(|error| {
            tracing::error!("no server can take over from this one: {error}");
            none
        }))
    }

    /// Has the service manager keep the listening sockets, where it does: for when this server ends
    /// and no other one has taken over.
    fn store(&self) {
        match self.engine.listeners() {
            Ok(mut listeners) => {
                let http = self.http.listening.iter().map(|socket| socket.listener.try_clone());
                listeners.extend(http.flatten());
                let sockets: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
                systemd::store(&sockets);
            }
            Err(error) => tracing::warn!("the listening sockets are not stored: {error}"),
        }
    }

    fn wait(self, replaces: bool) -> Result<Taken, RunError> {
        let Succession { settings, engine, control, http, cluster } = self;
        let Some(path) = &settings.handover_socket else {
            return Ok(Taken { is_taken: None, file: None });
        };
        let (listener, file) = SocketFile::bind(path, replaces, settings)?;
        let (control, runtime) = (Arc::clone(control), Handle::current());
        let offer = Offer { listener, engine, control, http, cluster, runtime };
        Ok(Taken { is_taken: Some(offer.start()?), file: Some(file) })
    }
}

impl Taken {
    /// Has the program take over that was put in the place of this one, if there is one. Returns
    /// whether there is.
    pub(super) fn starts_successor(&self) -> bool {
        self.file.as_ref().is_some_and(|file| start_if_replaced(file.path()))
    }

    /// Waits until a successor has taken over.
    pub(super) async fn wait(&mut self) -> HandedOver {
        match &mut self.is_taken {
            // Its thread does not end before.
            Some(taken) => match taken.await {
                Ok(handed_over) => handed_over,
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}
