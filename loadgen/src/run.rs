//! One run from the first connection to the last delivery.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::process::{self, cpu_time};

use crate::batch::{Batch, Update};
use crate::collector::{Collector, Sent};
use crate::config::Config;
use crate::coordination::Crew;
use crate::error::{ConnectionError, OperatorError};
use crate::figures::Figures;
use crate::metrics_endpoint::MetricsEndpoint;
use crate::moment::Moment;
use crate::part::Part;
use crate::plan_input::Publish;
use crate::progress::Progress;
use crate::publish_tally::Published;
use crate::schedule::Channel;
use crate::shared::Shared;
use crate::summarise::{expected, summarise};
use crate::summary::{MemoryUse, Summary};

/// Without a new subscriber for this long the ramp has failed.
const RAMP_TIMEOUT: Duration = Duration::from_secs(15);
/// Without a delivery for this long after the last message the rest is lost …
const IDLE_GRACE: Duration = Duration::from_secs(2);
/// … and after this long in any case.
const GRACE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);
/// Nanoseconds from the decision to start to the first message; with workers on other hosts time
/// for all to hear of it.
const LEAD: u64 = 20_000_000;
const REMOTE_LEAD: u64 = 500_000_000;
/// Kinds of faults that are told while the run goes on.
const MOST_TOLD: usize = 20;

/// Runs the load. `interrupted` ends the publishing early.
///
/// # Errors
/// When the load cannot be put on the server at all.
pub(crate) fn run(config: &Config, interrupted: &AtomicBool) -> Result<Summary, OperatorError> {
    let (sender, updates) = channel();
    let shared = &Shared::new();
    if !config.args.workers.is_empty() {
        let (crew, config) = Crew::gather(config, shared)?;
        let run = Run::new(&config, shared, updates, interrupted)?;
        return std::thread::scope(|scope| {
            crew.spawn(scope, &config, shared, &sender)?;
            drop(sender);
            run.measure(REMOTE_LEAD)
        });
    }
    let part = Part::connect(config, sender)?;
    let run = Run::new(config, shared, updates, interrupted)?;
    std::thread::scope(|scope| {
        part.spawn(scope, shared);
        run.measure(LEAD)
    })
}

/// How many threads have a subscriber of each channel.
fn threads_by_channel(config: &Config) -> HashMap<Channel, usize> {
    let mut threads = HashMap::new();
    for thread in 0..config.threads {
        let own: HashSet<Channel> =
            config.share(thread).flat_map(|at| config.channels(at)).collect();
        own.into_iter().for_each(|channel| *threads.entry(channel).or_default() += 1);
    }
    threads
}

struct Run<'a> {
    config: &'a Config,
    shared: &'a Shared,
    progress: Progress,
    endpoint: Option<MetricsEndpoint>,
    interrupted: &'a AtomicBool,
    collector: Collector,
    updates: Receiver<Update>,
    /// Before the first subscriber.
    memory: Memory,
    /// What was told when it first happened.
    told: HashSet<String>,
}

/// All threads end, whatever becomes of the run.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.shared.quit.store(true, Relaxed);
        self.shared.stop.store(true, Relaxed);
    }
}

/// Resident bytes of this process and of the server's.
struct Memory {
    own: Option<u64>,
    server: Option<u64>,
}

impl Memory {
    fn now(config: &Config) -> Self {
        let own = process::resident_bytes(std::process::id());
        Self { own, server: config.server_pid.and_then(process::resident_bytes) }
    }

    /// What came with the connections since.
    fn growth(before: Option<u64>, after: Option<u64>, config: &Config) -> Option<MemoryUse> {
        Some(MemoryUse::of(before?, after?, config.plan.connections))
    }
}

impl<'a> Run<'a> {
    fn new(
        config: &'a Config,
        shared: &'a Shared,
        updates: Receiver<Update>,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, OperatorError> {
        let timeline = Arc::clone(config.plan.timeline());
        Ok(Self {
            config,
            shared,
            progress: Progress::new(config),
            endpoint: config.args.output.metrics_endpoint()?,
            interrupted,
            collector: Collector::new(timeline, threads_by_channel(config)),
            updates,
            memory: Memory::now(config),
            told: HashSet::new(),
        })
    }

    /// From the first connection to the last delivery; `lead` nanoseconds pass from the decision
    /// to start to the first message.
    fn measure(mut self, lead: u64) -> Result<Summary, OperatorError> {
        self.await_subscribers()?;
        let (config, shared) = (self.config, self.shared);
        let (started, cpu) = (Instant::now(), cpu_time());
        let start = shared.now() + lead;
        shared.start.store(start, Relaxed);
        self.collector.start = start;
        self.await_publishers(start)?;
        self.await_deliveries()?;
        let memory = Memory::now(config);
        let cpu = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
        shared.stop.store(true, Relaxed);
        // The last batches; the channel closes with the last thread.
        while let Ok(update) = self.updates.recv() {
            self.take(update)?;
        }
        self.progress.clear();
        let published = std::mem::take(&mut self.collector.published);
        self.settle(&published, start);
        let workers = std::mem::take(&mut self.collector.workers);
        let remote: f64 = workers.iter().map(|worker| worker.cpu_percent).sum();
        let own_memory = Memory::growth(self.memory.own, memory.own, config);
        let summary = Summary {
            cpu_percent: if workers.is_empty() { 100.0 * cpu } else { remote },
            own_memory: own_memory.filter(|_| workers.is_empty()),
            workers,
            server_memory: Memory::growth(self.memory.server, memory.server, config),
            interrupted: self.interrupted.load(Relaxed),
            ..summarise(config, &self.collector, &published)
        };
        let Figures { refused, published, .. } = summary.total;
        if refused > 0 && refused == published {
            let code = summary.publish_errors.keys().next().map_or("", String::as_str);
            return Err(OperatorError(format!(
                "cannot publish to {}: all {published} messages were refused with {code}; {}",
                summary.url,
                config.given.remedy_for(code)
            )));
        }
        Ok(summary)
    }

    fn await_subscribers(&mut self) -> Result<(), OperatorError> {
        let wanted = self.config.plan.connections;
        let mut last = (Instant::now(), 0);
        loop {
            let ready = self.shared.ready.load(Relaxed);
            self.progress.connecting(ready, wanted);
            if ready == wanted {
                return Ok(());
            }
            if self.interrupted.load(Relaxed) {
                return Err(OperatorError("interrupted while connecting".into()));
            }
            if ready != last.1 {
                last = (Instant::now(), ready);
            }
            if last.0.elapsed() > RAMP_TIMEOUT {
                let silence = ConnectionError::Timeout(RAMP_TIMEOUT.as_secs());
                let what = silence.explain(&self.config.given, &self.config.endpoint);
                return Err(OperatorError(format!("{ready} of {wanted} subscribed, then: {what}")));
            }
            self.receive()?;
        }
    }

    fn await_publishers(&mut self, start: u64) -> Result<(), OperatorError> {
        let end = start + self.config.plan.timeline().length();
        let chat = self.config.plan.publish == Publish::Clients;
        let publishers = self.config.plan.publishers as usize;
        while self.collector.published.len() < publishers
            || chat && self.shared.now() < end && !self.shared.quit.load(Relaxed)
        {
            if self.interrupted.load(Relaxed) {
                self.shared.quit.store(true, Relaxed);
            }
            self.receive()?;
            self.observe(Duration::from_nanos(end.saturating_sub(self.shared.now())));
        }
        Ok(())
    }

    fn await_deliveries(&mut self) -> Result<(), OperatorError> {
        // Of subscribers that move it is not known before the end.
        let fixed = !self.config.plan.moves() && self.config.plan.publish != Publish::Clients;
        let published = &self.collector.published;
        let wanted = if fixed { expected(self.config, published) } else { u64::MAX };
        let started = Instant::now();
        let mut last = (started, self.collector.total.deliveries);
        while self.collector.total.deliveries < wanted
            && last.0.elapsed() < IDLE_GRACE
            && started.elapsed() < GRACE
        {
            self.receive()?;
            let deliveries = self.collector.total.deliveries;
            if deliveries != last.1 {
                last = (Instant::now(), deliveries);
            }
            self.observe(Duration::ZERO);
        }
        Ok(())
    }

    /// Shows what is known now.
    fn observe(&mut self, left: Duration) {
        let (ready, published) = (&self.shared.ready, &self.shared.published);
        let (ready, published) = (ready.load(Relaxed), published.load(Relaxed));
        let moment = Moment::of(left, ready, published, &self.collector.total);
        self.progress.running(&moment, &self.collector.slices);
        self.endpoint.iter().for_each(|endpoint| endpoint.set(&moment));
    }

    /// Enters what never came.
    fn settle(&mut self, published: &[Published], start: u64) {
        let (config, plan) = (self.config, &self.config.plan);
        let (mut sent, mut refused) = (HashMap::new(), HashSet::new());
        for source in published {
            for sequence in 0..source.sent {
                let (publisher, channel, index) = config.message(source.source, sequence);
                sent.insert((publisher, channel), index + 1);
            }
            refused.extend(&source.refused);
        }
        let messages = published.iter().flat_map(|source| {
            let sends = plan.schedule.sends(source.source, config.sources_of_messages());
            sends.take(source.sent as usize).map(|send| Sent {
                id: config.message(source.source, send.sequence),
                intended: start + send.at,
            })
        });
        self.collector.finish(messages, &sent, &refused, self.shared.now());
    }

    /// Takes in what the workers report within a tick.
    fn receive(&mut self) -> Result<(), OperatorError> {
        let deadline = Instant::now() + TICK;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.updates.recv_timeout(left) {
                Ok(update) => self.take(update)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn take(&mut self, update: Update) -> Result<(), OperatorError> {
        let batch = update?;
        self.tell_what_is_new(&batch);
        self.collector.add(*batch);
        Ok(())
    }

    /// Tells of a refusal, an error or a lost connection when it first happens.
    fn tell_what_is_new(&mut self, batch: &Batch) {
        let given = &self.config.given;
        let refused = batch.refusals.keys().map(|code| {
            format!("the server refuses to publish, {code}: {}", given.remedy_for(code))
        });
        let notices = batch.notices.keys().map(|code| format!("a subscriber got {code}"));
        let lost = batch.disconnected.keys().map(|why| format!("a subscriber was lost: {why}"));
        for line in refused.chain(notices).chain(lost) {
            if self.told.len() < MOST_TOLD && self.told.insert(line.clone()) {
                self.progress.tell(&line);
            }
        }
    }
}
