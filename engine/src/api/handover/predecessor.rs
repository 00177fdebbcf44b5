//! The process that serves, in a hand-over.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::conversation::{Conversation, End, Words};
use super::luggage::{self, Listening};
use super::peer_link::{VERSION, other_version};
use super::sequence::Side;
use super::shards::{Shards, Target};
use super::steps::Steps;
use crate::api::handle::Handle;
use crate::handover::{Blob, Early, EngineState, History, Sent, head};
use crate::limits::{HANDOVER_HISTORY, HANDOVER_REST};
use crate::shard::Exported;
use crate::types::{Epoch, ServiceId, Time};

/// Its clients were told so, and another process would not tell them when it is over.
const DEGRADED: &str = "nothing can be published now (session.degraded): try again when it can";

/// A handle by which all connections of a running engine are handed to another process. Cheap to
/// clone; one hand-over at a time.
#[derive(Clone, Debug)]
pub struct Predecessor {
    handle: Arc<Handle>,
    /// By service.
    names: Arc<[String]>,
    /// The addresses that are listened on: as they are, and as they are configured.
    addresses: Arc<[(ServiceId, SocketAddr, SocketAddr)]>,
    /// The zero of the engine's time.
    started: Instant,
}

/// Why connections were not handed over. The engine serves them on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process serves on: {0}")]
pub struct NotHandedOver(String);

/// A hand-over that has begun: the shards serve, and receive nothing more. Dropped, they serve on
/// as before.
#[derive(Debug)]
pub struct Stopped {
    conversation: Conversation,
    shards: Shards,
    engine: EngineState,
    started: Instant,
    /// Slots of the other process's rings that are filled.
    used: Vec<u32>,
    /// Under way when nothing more was admitted.
    handshakes: usize,
    /// What of the logs has gone over, by shard.
    sent: Vec<Sent>,
}

/// The other process serves what went over. What could not is still open here.
#[derive(Debug)]
pub struct HandedOver {
    /// Connections that went over.
    pub connections: usize,
    /// Those that could not: they are told to reconnect.
    pub staying: usize,
    /// Handshakes that were not at their end.
    pub handshakes: usize,
    /// For which the shards stood still.
    pub pause: Duration,
    /// The process that has them.
    pub process: u32,
}

impl Predecessor {
    pub(in crate::api) fn new(
        handle: Arc<Handle>,
        names: Arc<[String]>,
        addresses: Arc<[(ServiceId, SocketAddr, SocketAddr)]>,
        started: Instant,
    ) -> Predecessor {
        Predecessor { handle, names, addresses, started }
    }

    /// Duplicates of the sockets that the engine accepts from, for instance for a service manager
    /// to keep.
    ///
    /// # Errors
    /// [`NotHandedOver`] when a shard does not answer.
    pub fn listeners(&self) -> Result<Vec<TcpListener>, NotHandedOver> {
        let listeners = Shards::new(Arc::clone(&self.handle)).listeners().map_err(NotHandedOver)?;
        Ok(listeners.into_iter().map(|(_, listener)| listener).collect())
    }

    /// Begins a hand-over to the process that has connected `socket`, which must be of the same
    /// user, or of root. It gets `blobs` and `sockets` of the program around the engine and
    /// prepares itself, and reads what is known of most connections; then all of the engine's
    /// sockets are copied to it. Blocks this thread for as long as that takes. The engine serves
    /// meanwhile. Before anything is done the program around the engine is asked whether it `may`
    /// be, or why not; it may take a while.
    ///
    /// # Errors
    /// [`NotHandedOver`].
    pub fn begin(
        &self,
        socket: UnixStream,
        blobs: &[Blob],
        sockets: &[BorrowedFd<'_>],
        may: impl FnOnce() -> Result<(), String>,
    ) -> Result<Stopped, NotHandedOver> {
        let begun = Conversation::begin(socket, Side::Predecessor, Words::default());
        let begun = begun.map_err(|error| {
            NotHandedOver(format!("the process that has connected cannot be reached: {error}"))
        })?;
        let (mut conversation, hello) = begun.map_err(NotHandedOver::from)?;
        if hello.version != VERSION {
            return Err(conversation.failed(&other_version(hello.version)).into());
        }
        let user = conversation.peer().user();
        if user != 0 && user != geteuid().as_raw() {
            let why = format!("user {user} may not take over: use the same user, or root");
            return Err(conversation.failed(&why).into());
        }
        if let Err(why) = may() {
            return Err(conversation.failed(&why).into());
        }
        if self.handle.order.is_degraded() {
            return Err(conversation.failed(DEGRADED).into());
        }
        let shards = Shards::new(Arc::clone(&self.handle));
        let listeners = match shards.listeners() {
            Ok(listeners) => listeners,
            Err(why) => return Err(conversation.failed(&why).into()),
        };
        let (listed, mut descriptors): (Vec<Listening>, Vec<_>) = listeners
            .iter()
            .filter_map(|(service, socket)| {
                Some((self.configured(*service, socket.local_addr().ok()?)?, socket.as_fd()))
            })
            .unzip();
        descriptors.extend_from_slice(sockets);
        let histories = shards.histories(shards.nothing_sent(), HANDOVER_HISTORY);
        let (histories, sent) = match histories {
            Ok(histories) => histories,
            Err(why) => return Err(conversation.failed(&why).into()),
        };
        let engine = self.engine_state();
        let mut parts = vec![engine.to_part(), luggage::listeners(&listed).to_part()];
        parts.extend(histories.iter().map(History::to_part));
        parts.extend(blobs.iter().map(Blob::to_part));
        let base = Words { body: &join(&parts), descriptors: &descriptors };
        let rings = conversation.done(base).map_err(NotHandedOver::from)?;
        let held = self.hold(&conversation, &rings.body, &shards);
        let early = held.and_then(|held| Ok((held, self.early(&shards, sent)?)));
        let ((used, handshakes), (early, sent)) = match early {
            Ok(early) => early,
            Err(why) => return Err(conversation.failed(&why).into()),
        };
        let early = Words { body: &early, descriptors: &[] };
        conversation.done(early).map_err(NotHandedOver::from)?;
        if let Err(why) = shards.stop() {
            return Err(conversation.failed(&why).into());
        }
        let started = self.started;
        Ok(Stopped { conversation, shards, engine, started, used, handshakes, sent })
    }

    fn hold(
        &self,
        conversation: &Conversation,
        rings: &[u8],
        shards: &Shards,
    ) -> Result<(Vec<u32>, usize), String> {
        let rings = luggage::read_rings(rings).ok_or("the other process names no rings")?;
        let targets = rings.iter().map(|ring| {
            let remote = conversation.peer().ring(ring.descriptor).map_err(|error| {
                format!(
                    "the other process's rings cannot be reached: {error}. It must be in the same \
                     PID namespace, without more capabilities; pidfd_getfd must be allowed \
                     (kernel.yama.ptrace_scope at most 2, seccomp)"
                )
            })?;
            Ok(Target { ring: remote, slots: ring.slots })
        });
        let targets = targets.collect::<Result<_, String>>()?;
        shards.await_handshakes()?;
        let handshakes = shards.close()?;
        Ok((shards.hold(targets)?, handshakes))
    }

    /// What goes over before the shards stand still, and what of the logs has then.
    fn early(
        &self,
        shards: &Shards,
        sent: Vec<Sent>,
    ) -> Result<(Zeroizing<Vec<u8>>, Vec<Sent>), String> {
        let early = shards.early()?;
        let (histories, sent) = shards.histories(sent, HANDOVER_REST)?;
        let mut parts = vec![self.engine_state().to_part()];
        parts.extend(histories.iter().map(History::to_part));
        parts.extend(early.iter().map(Early::to_part));
        Ok((join(&parts), sent))
    }

    fn engine_state(&self) -> EngineState {
        EngineState {
            epoch: self.handle.order.epoch(),
            homes: self.handle.homes,
            time: Time::default() + self.started.elapsed(),
            services: self.names.to_vec(),
            is_ordered_outside: self.handle.external.is_some(),
        }
    }

    /// A listening socket as the successor finds it in its own configuration.
    fn configured(&self, service: ServiceId, real: SocketAddr) -> Option<Listening> {
        let found = self.addresses.iter().find(|(of, is, _)| (*of, *is) == (service, real));
        found.map(|(service, _, configured)| (*service, *configured))
    }
}

impl Stopped {
    /// Tells the other process why all stays here.
    pub fn refuse(mut self, why: &str) -> NotHandedOver {
        self.conversation.failed(why).into()
    }

    /// Hands over: the shards stand still and write their state down, to which `blobs` of the
    /// program are added. Nothing may be published meanwhile: that would be refused. Blocks this
    /// thread until the other process serves, or this one does again.
    ///
    /// # Errors
    /// [`NotHandedOver`].
    pub fn finish(self, blobs: &[Blob]) -> Result<HandedOver, NotHandedOver> {
        let Stopped { mut conversation, mut shards, mut engine, started, used, .. } = self;
        let (handshakes, sent) = (self.handshakes, self.sent);
        if let Err(why) = shards.await_sweeps() {
            return Err(conversation.failed(&why).into());
        }
        let began = Instant::now();
        let mut steps = Steps::begin(began);
        let exported = match shards.rest().and_then(|()| {
            steps.end("rest");
            shards.export(sent)
        }) {
            Ok(exported) => exported,
            Err(why) => return Err(conversation.failed(&why).into()),
        };
        steps.end("export");
        if let Some(why) = changed(&exported, engine.epoch) {
            return Err(conversation.failed(why).into());
        }
        engine.time = Time::default() + started.elapsed();
        let connections = exported.iter().map(|shard| shard.connections).sum();
        let staying = exported.iter().map(|shard| shard.staying).sum();
        let mut parts = vec![engine.to_part(), luggage::slots(&used).to_part()];
        parts.extend(exported.iter().map(|shard| shard.state.to_part()));
        parts.extend(blobs.iter().map(Blob::to_part));
        let state = join(&parts);
        steps.end("encode");
        let process = conversation.peer().id();
        match conversation.done(Words { body: &state, descriptors: &[] }) {
            Err(End { serves: false, .. }) => {
                let pause = began.elapsed();
                shards.hand_over();
                steps.end("taken");
                steps.log("predecessor");
                Ok(HandedOver { connections, staying, handshakes, pause, process })
            }
            Err(end) => Err(end.into()),
            Ok(_) => unreachable!("the predecessor has no work behind its state"),
        }
    }
}

/// Why these shards cannot be handed over, of an engine that was in this epoch.
fn changed(exported: &[Exported], epoch: Epoch) -> Option<&'static str> {
    if exported.iter().any(|shard| shard.epoch != epoch) {
        return Some("the order of its channels has begun anew meanwhile: try again");
    }
    exported.iter().any(|shard| shard.is_degraded).then_some(DEGRADED)
}

impl From<End> for NotHandedOver {
    fn from(end: End) -> NotHandedOver {
        NotHandedOver(end.to_string())
    }
}

/// A state of these parts. May hold keys: never grown, so that no copies are left behind.
fn join(parts: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let head = head(parts.len());
    let len = head.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    bytes.extend_from_slice(&head);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}
