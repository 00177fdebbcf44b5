//! The coordinator's side of one worker.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::clock_offset::{ClockOffset, Exchange};
use super::greeting::{Secret, Side, nonce};
use super::message_stream::MessageStream;
use super::messages::{Answer, Assignment, Command};
use crate::batch::{Batch, Update};
use crate::config::{Config, Portion};
use crate::error::OperatorError;
use crate::shared::Shared;
use crate::worker_report::WorkerReport;

/// To connect, and for each answer of the greeting.
const PATIENCE: Duration = Duration::from_secs(5);
/// A worker tells of its progress ten times a second; one that is silent for so long has failed.
const SILENCE: Duration = Duration::from_secs(10);
/// Questions about the clock: the least of so many round trips was hardly disturbed.
const EXCHANGES: usize = 32;

/// A worker that has joined.
pub(super) struct Member {
    address: String,
    peer: MessageStream,
    /// CPUs of its machine that it may use.
    pub(super) cores: u32,
    clock: ClockOffset,
    pub(super) portion: Portion,
}

impl Member {
    /// Connects, proves the secret and compares clocks.
    pub(super) fn join(address: &str, secret: &Secret, shared: &Shared) -> Result<Self, String> {
        let mut peer = MessageStream::new(connect(address)?)?;
        let greeting = peer.await_message(PATIENCE)?;
        let Answer::Greeting { version, nonce: worker } = greeting else {
            return Err("it is no loadgen worker".into());
        };
        let own = env!("CARGO_PKG_VERSION");
        if version != own {
            return Err(format!("it is loadgen {version}, this is {own}: use one version"));
        }
        let nonce = nonce()?;
        let proof = secret.proof(Side::Coordinator, worker, nonce);
        peer.send(&Command::Prove { nonce, proof })?;
        let cores = match peer.await_message(PATIENCE)? {
            Answer::Proven { proof, cores }
                if secret.accepts(&proof, Side::Worker, worker, nonce) =>
            {
                cores
            }
            Answer::Failed(what) => return Err(what),
            _ => return Err("it does not know the secret of --secret-file".into()),
        };
        peer.trust();
        let clock = compare_clocks(&mut peer, shared)?;
        let portion = Portion { threads: 0..0, publishers: 0..0 };
        Ok(Self { address: address.to_owned(), peer, cores, clock, portion })
    }

    /// What is told before the run.
    pub(super) fn line(&self) -> String {
        let Portion { threads, publishers } = &self.portion;
        format!(
            "worker {}: {} threads, {} publishers, clock known to ± {:.1} µs",
            self.address,
            threads.len(),
            publishers.len(),
            self.clock.bound as f64 / 1e3,
        )
    }

    /// Has the worker carry its portion, and passes on what it reports.
    pub(super) fn run(
        mut self,
        config: &Config,
        assignment: Assignment,
        shared: &Shared,
        updates: &Sender<Update>,
    ) {
        let (portion, clock_offset) = (self.portion.clone(), self.clock.offset);
        let assignment = Assignment { portion, clock_offset, ..assignment };
        let update = self.follow(config, assignment, shared, updates);
        let update =
            update.map(|worker| Box::new(Batch { worker: Some(worker), ..Batch::default() }));
        let update =
            update.map_err(|what| OperatorError(format!("worker {}: {what}", self.address)));
        // The receiver is gone only when the run is over anyway.
        let _ = updates.send(update);
    }

    fn follow(
        &mut self,
        config: &Config,
        assignment: Assignment,
        shared: &Shared,
        updates: &Sender<Update>,
    ) -> Result<WorkerReport, String> {
        let peer = &mut self.peer;
        peer.send(&Command::Carry(Box::new(assignment)))?;
        let (mut started, mut quit, mut stopped) = (false, false, false);
        let (mut before, mut heard) = ((0, 0), Instant::now());
        let cpu_percent = loop {
            if !started && shared.started() {
                started = true;
                peer.send(&Command::Start(shared.start.load(Relaxed)))?;
            }
            if !quit && shared.quit.load(Relaxed) {
                quit = true;
                peer.send(&Command::Quit)?;
            }
            if !stopped && shared.stop.load(Relaxed) {
                stopped = true;
                peer.send(&Command::Stop)?;
            }
            match peer.receive()? {
                Some(Answer::Progress { ready, published }) => {
                    shared.ready.fetch_add(ready.saturating_sub(before.0), Relaxed);
                    shared.published.fetch_add(published.saturating_sub(before.1), Relaxed);
                    before = (ready, published);
                }
                Some(Answer::Recorded(batch)) if batch.fits(config.plan.timeline()) => {
                    let _ = updates.send(Ok(batch));
                }
                Some(Answer::Ended { cpu_percent }) => break cpu_percent,
                Some(Answer::Failed(what)) => return Err(what),
                Some(_) => return Err("it reports something else than this run".into()),
                None if heard.elapsed() > SILENCE => {
                    return Err(format!("silent for {} s", SILENCE.as_secs()));
                }
                None => continue,
            }
            heard = Instant::now();
        };
        let after = compare_clocks(peer, shared)?;
        let Portion { threads, publishers } = &self.portion;
        Ok(WorkerReport {
            address: self.address.clone(),
            connections: threads.clone().map(|one| config.share(one).len() as u32).sum(),
            threads: threads.len() as u32,
            publishers: publishers.len() as u32,
            cpu_percent,
            clock_bound_us: self.clock.bound.max(after.bound) as f64 / 1e3,
            clock_drift_us: (after.offset - self.clock.offset) as f64 / -1e3,
        })
    }
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let found = address.to_socket_addrs();
    let found = found.map_err(|error| format!("{error}; give ADDRESS:PORT"))?;
    let mut last = "it has no address".to_owned();
    for address in found {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                last = format!("{error}; start `loadgen worker --listen {address}` there");
            }
        }
    }
    Err(last)
}

fn compare_clocks(peer: &mut MessageStream, shared: &Shared) -> Result<ClockOffset, String> {
    let mut exchanges = Vec::new();
    for _ in 0..EXCHANGES {
        let sent = shared.now();
        peer.send(&Command::AskClock)?;
        let Answer::Clock(theirs) = peer.await_message(PATIENCE)? else {
            return Err("it does not tell its clock".into());
        };
        exchanges.push(Exchange { sent, theirs, received: shared.now() });
    }
    ClockOffset::of(&exchanges).ok_or_else(|| "it does not tell its clock".into())
}
