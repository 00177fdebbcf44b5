//! The process that is to serve, in a hand-over.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Sender;
use rustix::process::{PTracer, Pid, set_ptracer};

use super::conversation::{Conversation, End, Words};
use super::luggage;
use super::peer_link::{Message, VERSION, other_version};
use super::sequence::Side;
use super::steps::Steps;
use crate::api::Engine;
use crate::api::handle::Handle;
use crate::api::lineage::Lineage;
use crate::api::listen::HandedOver;
use crate::api::start;
use crate::config::Config;
use crate::handover::{Blob, EarlyBook, History, State};
use crate::limits::HANDOVER_READY;
use crate::shard::{ShardRing, StandbyOrder};
use crate::types::{Epoch, StartError};

/// A process that takes the connections of another one over.
#[derive(Debug)]
pub struct Successor {
    conversation: Conversation,
    services: Vec<String>,
    /// An external order gives the other one's messages their positions.
    is_ordered_outside: bool,
    lineage: Lineage,
    blobs: Vec<Blob>,
    /// What has gone over of the logs.
    histories: Vec<History>,
    listeners: Vec<HandedOver>,
    sockets: Vec<OwnedFd>,
}

/// Why this process does not take over. The other one serves on, unless it has ended.
#[derive(Debug, thiserror::Error)]
pub enum NotTakenOver {
    /// This one cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Of the hand-over.
    #[error("nothing is taken over: {0}")]
    Refused(String),
}

/// A process with an engine that stands by for the state of all connections. Dropped, it leaves
/// them to the other one, and its engine ends.
#[derive(Debug)]
pub struct StandingBy {
    /// Of the engine. Without orders its shards end.
    orders: Vec<Sender<StandbyOrder>>,
    handle: Arc<Handle>,
    conversation: Conversation,
    /// What has gone over of the logs.
    histories: Vec<History>,
    rings: Vec<ShardRing>,
    /// Of the other engine's logs, and of this one's.
    epoch: Epoch,
}

/// A process that has read the state of all connections, and touched none. Dropped, it leaves them
/// to the other one, and its engine ends.
#[derive(Debug)]
pub struct Prepared {
    /// Of the engine that stands by. Without orders its shards end.
    orders: Vec<Sender<StandbyOrder>>,
    handle: Arc<Handle>,
    conversation: Conversation,
    blobs: Vec<Blob>,
    /// Slots of each ring that were filled at most.
    used: Vec<u32>,
    /// What was read: overwriting it waits until this process serves.
    state: Message,
    steps: Steps,
}

impl Successor {
    /// Begins to take over from the process that listens where `socket` is connected to.
    ///
    /// # Errors
    /// [`NotTakenOver`].
    pub fn begin(socket: UnixStream) -> Result<Successor, NotTakenOver> {
        let begun = Conversation::begin(socket, Side::Successor, Words::default());
        let begun = begun.map_err(|error| refused(format!("the socket fails: {error}")))?;
        let (mut conversation, base) = begun?;
        if base.version != VERSION {
            return Err(conversation.failed(&other_version(base.version)).into());
        }
        let read = State::decode(&base.body).map_err(|error| error.to_string());
        let read = read.and_then(|State { engine, histories, mut blobs, .. }| {
            let listed = luggage::take_listeners(&mut blobs).ok_or("its listeners are missing")?;
            if listed.len() > base.descriptors.len() {
                return Err("listening sockets are missing".to_owned());
            }
            Ok((engine, (blobs, histories), listed))
        });
        let (engine, (blobs, histories), listed) = match read {
            Ok(read) => read,
            Err(why) => return Err(conversation.failed(&why).into()),
        };
        let mut sockets = base.descriptors;
        let rest = sockets.split_off(listed.len());
        let listeners = listed.into_iter().zip(sockets.into_iter().map(TcpListener::from));
        let listeners = listeners.collect();
        Ok(Successor {
            conversation,
            lineage: Lineage::of(&engine),
            services: engine.services,
            is_ordered_outside: engine.is_ordered_outside,
            blobs,
            histories,
            listeners,
            sockets: rest,
        })
    }

    /// What the program around the other engine sent ahead.
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// The sockets that it sent, in its order; once.
    pub fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets)
    }

    /// Tells the other process why this one does not take over.
    pub fn refuse(mut self, why: &str) -> NotTakenOver {
        self.conversation.failed(why).into()
    }

    /// Starts an engine with the listening sockets of the other one. It does nothing before
    /// [`Prepared::serve`]. The other one serves as always until [`StandingBy::read`].
    ///
    /// # Errors
    /// [`NotTakenOver`]: this process cannot start with `config`, or it has other services.
    pub fn prepare(self, config: Config) -> Result<(Engine, StandingBy), NotTakenOver> {
        if let Some(why) = self.lacks(&config) {
            return Err(self.refuse(&why));
        }
        let Successor { mut conversation, lineage, histories, listeners, .. } = self;
        let epoch = lineage.epoch;
        let standing_by = start::stand_by(config, lineage, listeners).map_err(|error| {
            conversation.failed(&format!("the new process cannot start: {error}"));
            error
        })?;
        let start::StandingBy { orders, rings, engine } = standing_by;
        let handle = Arc::clone(&engine.topology.handle);
        Ok((engine, StandingBy { orders, handle, conversation, histories, rings, epoch }))
    }

    /// Why an engine with `config` cannot go on for the other one.
    fn lacks(&self, config: &Config) -> Option<String> {
        let (services, epoch) = (&self.services, self.lineage.epoch);
        let ours: Vec<_> = config.services.iter().map(|service| service.name.clone()).collect();
        if ours != *services {
            return Some(format!(
                "the new process has the services {ours:?}, the old one {services:?}"
            ));
        }
        match (&config.external_order, self.is_ordered_outside) {
            (None, false) => None,
            (Some(order), true) if order.epoch() == epoch => None,
            (Some(_), true) => {
                Some("the order of channels has begun anew, or is another one than before".into())
            }
            (Some(_), false) => {
                Some("the old process orders its channels itself, the new one does not".into())
            }
            (None, true) => {
                Some("the new process orders its channels itself, the old one does not".into())
            }
        }
    }
}

impl StandingBy {
    /// Has the other process hand over, and reads the state of all connections. The longest part of
    /// it is the other one's, which serves meanwhile; at the end neither serves, until
    /// [`Prepared::serve`]. Blocks this thread.
    ///
    /// # Errors
    /// [`NotTakenOver`]: the other one serves on.
    pub fn read(self) -> Result<Prepared, NotTakenOver> {
        let StandingBy { orders, handle, mut conversation, histories, rings, epoch } = self;
        // Where Yama restricts tracing, the other process may reach the rings only if it is named.
        // Without Yama this fails, and nothing is needed.
        if let Some(process) = Pid::from_raw(conversation.peer().id().cast_signed()) {
            let _ = set_ptracer(PTracer::ProcessID(process));
        }
        let rings = luggage::rings(&rings);
        let early = conversation.done(Words { body: &rings, descriptors: &[] })?;
        let (book, mut histories) = match import_early(&early.body, histories, &orders) {
            Ok(book) => book,
            Err(why) => {
                drop(orders);
                return Err(conversation.failed(&why).into());
            }
        };
        drop(early);
        let state = conversation.done(Words::default())?;
        let mut steps = Steps::begin(state.came_at);
        steps.end("read");
        match import((&state.body, epoch), (&mut histories, book), &orders, &mut steps) {
            Ok((blobs, used)) => {
                Ok(Prepared { orders, handle, conversation, blobs, used, state, steps })
            }
            Err(why) => {
                drop(orders);
                Err(conversation.failed(&why).into())
            }
        }
    }
}

impl Prepared {
    /// What the program around the other engine added to the state.
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Tells the other process why this one does not take over.
    pub fn refuse(mut self, why: &str) -> NotTakenOver {
        self.conversation.failed(why).into()
    }

    /// Takes over, if the other process agrees, or has ended: the engine serves. Blocks this thread
    /// until then.
    ///
    /// # Errors
    /// [`NotTakenOver`]: the engine ends.
    pub fn serve(self) -> Result<(), NotTakenOver> {
        let Prepared { orders, handle, mut conversation, used, state, mut steps, .. } = self;
        steps.end("program");
        match conversation.done(Words::default()) {
            Err(End { serves: true, .. }) => {
                // Before the shards: one that ends from here on aborts the process.
                handle.stage.serve();
                for (orders, used) in orders.iter().zip(used) {
                    let _ = orders.send(StandbyOrder::Serve { used });
                }
                steps.end("commit");
                drop(state);
                steps.end("overwrite");
                steps.log("successor");
                Ok(())
            }
            Err(end) => Err(end.into()),
            Ok(_) => unreachable!("the successor has no work behind the state"),
        }
    }
}

/// Has each shard take over its part of the connections that go early. Returns what is still to be
/// known of them, and the logs so far.
fn import_early(
    early: &[u8],
    mut histories: Vec<History>,
    orders: &[Sender<StandbyOrder>],
) -> Result<(EarlyBook, Vec<History>), String> {
    let state = State::decode(early).map_err(|error| error.to_string())?;
    histories.extend(state.histories);
    let services = state.engine.services.len();
    let divided = EarlyBook::divide(state.early, orders.len(), services);
    let (book, parts) = divided.map_err(|error| error.to_string())?;
    let order = |connections, reply| StandbyOrder::ImportEarly { connections, reply };
    order_all(orders, parts, order)?;
    Ok((book, histories))
}

/// Orders something of every shard, and waits for all answers.
fn order_all<T>(
    orders: &[Sender<StandbyOrder>],
    parts: Vec<T>,
    order: impl Fn(T, oneshot::Sender<Result<(), String>>) -> StandbyOrder,
) -> Result<(), String> {
    let until = Instant::now() + HANDOVER_READY;
    let send = |(orders, part): (&Sender<StandbyOrder>, T)| {
        let (reply, answer) = oneshot::channel();
        // A shard that has ended has aborted the process.
        let _ = orders.send(order(part, reply));
        answer
    };
    let answers: Vec<_> = orders.iter().zip(parts).map(send).collect();
    for answer in answers {
        let late = |_| "a shard of the new process does not read its part in time".to_owned();
        answer.recv_deadline(until).map_err(late)??;
    }
    Ok(())
}

/// Has each shard make a broker of its part of the state.
fn import(
    (state, epoch): (&[u8], Epoch),
    (histories, book): (&mut Vec<History>, EarlyBook),
    orders: &[Sender<StandbyOrder>],
    steps: &mut Steps,
) -> Result<(Vec<Blob>, Vec<u32>), String> {
    let mut state = State::decode(state).map_err(|error| error.to_string())?;
    steps.end("decode");
    if state.engine.epoch != epoch {
        return Err("the order of channels has begun anew meanwhile: try again".to_owned());
    }
    state.histories.splice(0..0, histories.drain(..));
    let mut blobs = std::mem::take(&mut state.blobs);
    let used = luggage::take_slots(&mut blobs).filter(|used| used.len() == orders.len());
    let used = used.ok_or("the number of filled slots is missing")?;
    let parts = state.divide(orders.len(), book).map_err(|error| error.to_string())?;
    steps.end("divide");
    let order = |part, reply| StandbyOrder::Import { part: Box::new(part), reply };
    order_all(orders, parts, order)?;
    steps.end("import");
    Ok((blobs, used))
}

fn refused(why: String) -> NotTakenOver {
    NotTakenOver::Refused(why)
}

impl From<End> for NotTakenOver {
    fn from(end: End) -> NotTakenOver {
        refused(end.to_string())
    }
}
