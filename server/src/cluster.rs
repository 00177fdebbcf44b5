//! More than one node: streams of NATS JetStream carry the order, and any node serves any client.
//!
//! The parts from the inside out. Those of the first group are pure: time and what came in are
//! arguments, and what is to be done is a value.
//!
//! * `chain`: one channel: what follows what it has, what is held, what is read again.
//! * `stream_view`: one stream as this node knows it: its channels' chains, its audits, its life.
//! * `outbox`: what this node publishes to a stream.
//! * `sim`: chains and views against a model of a stream, with every fault that a cluster has.
//! * `subjects`, `stored_publications`, `names`: how channels and publications stand in a stream.
//! * `older_messages`: older messages, as the engine takes them.
//! * `watched`: the channels that patterns want.
//! * `node_presence`: the subscribers, at all nodes.
//!
//! The others speak with the servers, on a thread of their own:
//!
//! * `server_link`, `jetstream_requests`, `reads`: the connection, requests and answers, reads.
//! * `server_turns`, which is pure: which server is next when the connection is made anew.
//! * `setup`: the streams, made or checked.
//! * `leadership`: what is known of a stream's leader, and when to go to another server.
//! * `partition`: one stream, and what passes between it and the engine.
//! * `shared_stream`, `shared_message`, `shared_reader`: a stream that every node reads whole, for
//!   what concerns all nodes; `shared_cursor`, which is pure, is how far it was read.
//! * `presence_link`, `node_subjects`: what passes between presence, the engine and other nodes.
//! * `watches`: the shards' patterns, and what waits until their channels are watched.
//! * `health`, `status`: whether publications can be ordered; what is shown of it.
//! * `delivery_lag`: how long publications took from their stream to the engine.
//! * `node`, `node_parts`, `node_waits`: the thread's loop, its tasks, and what waits for it.
//! * `stream_order`: the engine's end of it.
//! * `node_handover`: what goes over to the process that goes on in the node's place. How far the
//!   node is, it says in `stream_positions`, which is pure.
//! * `inspection`: what servers and streams say, for commands that look.

mod chain;
pub mod cluster_config;
mod delivery_lag;
mod health;
pub(crate) mod inspection;
mod jetstream_requests;
mod leadership;
mod names;
mod node;
mod node_handover;
mod node_parts;
mod node_presence;
mod node_subjects;
mod node_waits;
mod older_messages;
mod outbox;
mod partition;
mod presence_link;
mod reads;
mod server_link;
mod server_turns;
mod setup;
mod shared_cursor;
mod shared_message;
mod shared_reader;
mod shared_stream;
mod status;
mod stored_publications;
mod stream_order;
mod stream_positions;
mod stream_view;
mod subjects;
mod watched;
mod watches;

#[cfg(test)]
mod sim;

use std::sync::Arc;
use std::thread;

use async_nats::Client;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};
use uringcast_engine::{ExternalFeed, ExternalOrder};

use cluster_config::ClusterConfig;
pub(crate) use delivery_lag::DeliveryLag;
use jetstream_requests::{Acknowledgement, Requests};
use names::Names;
pub(crate) use names::shared_names;
use node::{Node, Sources};
pub(crate) use node_handover::{Membership, NodeHandover, STREAMS};
use node_parts::Parts;
use node_presence::NodeId;
use partition::Partition;
use server_link::subscribe;
use setup::patiently;
pub(crate) use setup::{RECOMMENDED_VERSION, SetupError, is_at_least};
pub(crate) use shared_message::{Address, SharedMessage};
use shared_reader::SharedReader;
pub(crate) use shared_reader::{Carried, Shared, SharedEvent};
pub(crate) use shared_stream::{Change, NotShared, SharedStream};
pub use status::{ClusterStatus, StreamStatus};
use stream_order::{Command, StreamOrder};
use stream_positions::SharedPosition;
use stream_view::Kept;
use subjects::Subjects;

use crate::limits::{BACKLOG_READS, OUTBOX_MESSAGES};

/// The node's part in its cluster, connected and with its streams checked.
#[derive(Debug)]
pub(crate) struct Cluster {
    order: Arc<StreamOrder>,
    status: Arc<Mutex<ClusterStatus>>,
    is_needed: bool,
    handover: NodeHandover,
    feed: Option<oneshot::Sender<ExternalFeed>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A stream that every node reads, as the server has it.
#[derive(Debug)]
pub(crate) struct SharedEnd {
    pub(crate) stream: Arc<SharedStream>,
    /// What comes of it, once the engine is served.
    pub(crate) events: mpsc::Receiver<Shared>,
}

/// The streams that every node reads.
#[derive(Debug)]
pub(crate) struct SharedEnds {
    /// Clients that are ended, and tokens that count no more.
    pub(crate) control: SharedEnd,
    /// What was in it when the node began, in order.
    pub(crate) before: Vec<SharedMessage>,
    /// States and status documents.
    pub(crate) documents: SharedEnd,
}

/// What is there before the engine is.
struct Prepared {
    parts: Box<dyn FnOnce(ExternalFeed) -> Parts + Send>,
    sources: Sources,
    /// Of what concerns clients of all nodes, and of documents.
    readers: [SharedReader; 2],
    /// Where the first of them begins.
    begins: oneshot::Receiver<Option<SharedPosition>>,
}

impl Cluster {
    /// Connects, makes or checks the streams, and begins a thread that serves once the engine runs.
    /// `services` are the names of this node's services, `depth` what their JSON may have;
    /// `keeps_presence`: the node takes part in presence before it has a subscriber. It goes on in
    /// the place of another process that was `before`, if it does.
    ///
    /// # Errors
    /// [`SetupError`] in words for the operator.
    pub(crate) fn start(
        config: ClusterConfig,
        (services, depth, keeps_presence): (Arc<[String]>, usize, bool),
        before: Option<Membership>,
    ) -> Result<(Cluster, SharedEnds), SetupError> {
        let is_needed = config.is_needed_to_be_ready;
        let (prepared, is_prepared) = std::sync::mpsc::sync_channel(1);
        let (feed, has_feed) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let reason = format!("needs a thread: {error}");
                    let error =
                        SetupError::new("cluster", reason, "See the limits of the process.");
                    return drop(prepared.send(Err(error)));
                }
            };
            runtime.block_on(async {
                let names = (Names::new(services, depth), keeps_presence);
                let (ends, Prepared { parts, sources, readers, begins }) =
                    match prepare(Arc::new(config), names, stopped, before).await {
                        Ok(ready) => ready,
                        Err(error) => return drop(prepared.send(Err(error))),
                    };
                drop(prepared.send(Ok(ends)));
                // Without an engine there is nothing to serve.
                let Ok(feed) = has_feed.await else { return };
                tokio::spawn(read(readers, begins));
                let (node, finds) = Node::new(parts(feed));
                node.run(sources, finds).await;
            });
        };
        let thread = thread::Builder::new().name("cluster".into()).spawn(run);
        let thread = thread.map_err(|error| {
            let reason = format!("needs a thread: {error}");
            SetupError::new("cluster", reason, "See the limits of the process.")
        })?;
        let ended = || {
            let reason = "has ended before it was there".to_owned();
            SetupError::new("cluster", reason, "See the log.")
        };
        let Ends { order, status, handover, shared } =
            is_prepared.recv().map_err(|_| ended())??;
        let (feed, stop, thread) = (Some(feed), Some(stop), Some(thread));
        Ok((Cluster { order, status, is_needed, handover, feed, stop, thread }, shared))
    }

    /// What gives the engine's channels their order.
    pub(crate) fn order(&self) -> Arc<dyn ExternalOrder> {
        Arc::clone(&self.order) as Arc<dyn ExternalOrder>
    }

    /// What it has come to.
    pub(crate) fn status(&self) -> Arc<Mutex<ClusterStatus>> {
        Arc::clone(&self.status)
    }

    /// The same, if the server is ready only with it.
    pub(crate) fn needed(&self) -> Option<Arc<Mutex<ClusterStatus>>> {
        self.is_needed.then(|| Arc::clone(&self.status))
    }

    /// The node's part in a hand-over.
    pub(crate) fn handover(&self) -> NodeHandover {
        self.handover.clone()
    }

    /// The engine runs, with so many shards: from now on it is served.
    pub(crate) fn serve(&mut self, feed: ExternalFeed, shards: usize) {
        self.handover.shards = shards;
        if let Some(to) = self.feed.take() {
            // Fails if the thread has panicked, which ends the process.
            let _ = to.send(feed);
        }
    }
}

impl Drop for Cluster {
    /// The engine has ended, or does not begin: the other nodes are told.
    fn drop(&mut self) {
        drop((self.feed.take(), self.stop.take()));
        self.thread.take().map(thread::JoinHandle::join);
    }
}

/// The ends of a node that the server has.
struct Ends {
    order: Arc<StreamOrder>,
    status: Arc<Mutex<ClusterStatus>>,
    handover: NodeHandover,
    shared: SharedEnds,
}

/// Connects, subscribes, and makes or checks the streams.
async fn prepare(
    config: Arc<ClusterConfig>,
    (names, keeps_presence): (Names, bool),
    stop: oneshot::Receiver<()>,
    before: Option<Membership>,
) -> Result<(Ends, Prepared), SetupError> {
    let node: Arc<str> = format!("{:016x}", random()).into();
    let status = Arc::<Mutex<ClusterStatus>>::default();
    let servers: Vec<_> = config.servers.iter().map(String::as_str).collect();
    let (client, link) = server_link::connect(&config, &servers, &node).await?;
    let (requests, acknowledgements) = requests(&client).await?;
    let infos = patiently(async || setup::prepare(&client, &requests, &config).await).await?;
    // Before anything is followed: what is stored from now on arrives.
    let live = subscribe(&client, format!("{}.live.>", config.prefix)).await?;
    let advisories = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*".to_owned();
    let elections = subscribe(&client, advisories).await?;
    let partition = |(place, info): (usize, &stream_view::StreamInfo)| {
        let subjects = Subjects::new(&config.prefix, place);
        let kept = Kept { age: config.age, messages: config.channel_messages };
        // Of this start: messages are numbered anew.
        let mut partition = Partition::new(subjects, (&*node).into(), info.epoch, kept);
        partition.view.begin(*info);
        partition
    };
    let partitions: Vec<_> = infos.iter().enumerate().map(partition).collect();
    let (to_node, commands) = mpsc::unbounded_channel::<Command>();
    let epoch = node::epoch(&partitions);
    let order = Arc::new(StreamOrder::new(epoch, to_node));
    let me = (NodeId(random()), epoch, keeps_presence);
    let (of_nodes, presence, nodes) = presence_link::begin(&client, &config, me).await?;
    let is_new = before.is_none();
    let known_as = before.map_or(Arc::clone(&node), |before| before.node().into());
    let membership = Membership::new(&config, &known_as);
    let shared = |purpose| {
        let of = (Arc::clone(&requests), Arc::clone(&status));
        let stream = SharedStream::new(purpose, &config, Arc::clone(&known_as), of);
        prepare_shared(&client, stream, &order)
    };
    let (control, mut reader) = shared(shared_stream::CONTROL).await?;
    // What is revoked must not count while the node serves.
    let before = reader.read_before().await?;
    let (documents, other) = shared(shared_stream::DOCUMENTS).await?;
    let readers = [reader, other];
    let (go_on, begins) = oneshot::channel();
    let mut go_on = Some(go_on);
    if let Some(go_on) = go_on.take_if(|_| is_new) {
        // The receiver is there.
        let _ = go_on.send(None);
    }
    let handover = NodeHandover {
        order: Arc::clone(&order),
        control: Arc::clone(&control.stream),
        membership,
        shards: 0,
        go_on: Arc::new(Mutex::new(go_on)),
    };
    let streams = vec![Arc::clone(&control.stream), Arc::clone(&documents.stream)];
    let shared = SharedEnds { control, before, documents };
    let sources = Sources { live, elections, nodes, commands, acknowledgements, link, stop };
    let (shown, of_node) = (Arc::clone(&status), Arc::clone(&order));
    let parts = Box::new(move |feed| Parts {
        config,
        requests,
        names,
        order: of_node,
        feed,
        status: shown,
        reads: Arc::new(Semaphore::new(BACKLOG_READS)),
        partitions,
        shared: streams,
        nodes: of_nodes,
        presence,
    });
    Ok((Ends { order, status, handover, shared }, Prepared { parts, sources, readers, begins }))
}

/// Reads what all nodes read, from where another process stood, if one did.
async fn read(
    [mut control, documents]: [SharedReader; 2],
    begins: oneshot::Receiver<Option<SharedPosition>>,
) {
    // Where nothing is taken over the process ends.
    let Ok(begins) = begins.await else { return };
    begins.into_iter().for_each(|position| control.go_on(position));
    tokio::spawn(control.run());
    documents.run().await;
}

/// Requests by a connection, and the acknowledgements of what they store.
async fn requests(
    client: &Client,
) -> Result<(Arc<Requests>, mpsc::Receiver<Acknowledgement>), SetupError> {
    let (acknowledged, acknowledgements) = mpsc::channel(OUTBOX_MESSAGES);
    let requests = Requests::new(client.clone(), acknowledged);
    let answers = subscribe(client, requests.answers()).await?;
    tokio::spawn(dispatch(answers, Arc::clone(&requests)));
    Ok((requests, acknowledgements))
}

/// Makes or checks a stream that all nodes read.
async fn prepare_shared(
    client: &Client,
    stream: SharedStream,
    order: &Arc<StreamOrder>,
) -> Result<(SharedEnd, SharedReader), SetupError> {
    let stream = Arc::new(stream);
    patiently(async || stream.prepare().await).await?;
    let (to, events) = mpsc::channel(1);
    let live = subscribe(client, stream.told()).await?;
    let mut reader = SharedReader::new(Arc::clone(&stream), live, Arc::clone(order), to);
    patiently(async || reader.begin().await).await?;
    Ok((SharedEnd { stream, events }, reader))
}

/// Hands answers to the requests that await them, until the connection is given up.
async fn dispatch(mut answers: async_nats::Subscriber, requests: Arc<Requests>) {
    use futures_util::StreamExt as _;
    while let Some(answer) = answers.next().await {
        requests.dispatch(answer);
    }
}

/// Tells this start of this node from others.
fn random() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    u64::from_ne_bytes(bytes)
}
