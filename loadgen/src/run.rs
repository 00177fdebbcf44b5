//! One run from the first connection to the last delivery.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use uringcast_loadgen::process;

use crate::collector::{Collector, Sent};
use crate::config::Config;
use crate::error::{ConnectionError, OperatorError};
use crate::metrics_endpoint::MetricsEndpoint;
use crate::moment::Moment;
use crate::plan_input::Publish;
use crate::progress::Progress;
use crate::publish_tally::Published;
use crate::publisher::Publisher;
use crate::schedule::Channel;
use crate::shared::Shared;
use crate::summarise::{expected, summarise};
use crate::summary::{Figures, MemoryUse, Summary};
use crate::worker::{self, Update};

/// Without a new subscriber for this long the ramp has failed.
const RAMP_TIMEOUT: Duration = Duration::from_secs(15);
/// Without a delivery for this long after the last message the rest is lost …
const IDLE_GRACE: Duration = Duration::from_secs(2);
/// … and after this long in any case.
const GRACE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);
/// From the decision to start to the first message.
const LEAD: u64 = 20_000_000;

/// Runs the load. `interrupted` ends the publishing early.
///
/// # Errors
/// When the load cannot be put on the server at all.
pub(crate) fn run(config: &Config, interrupted: &AtomicBool) -> Result<Summary, OperatorError> {
    config.check_file_limit()?;
    let connect = |number| Publisher::connect(config, number);
    let publishers: Vec<_> = (0..config.plan.publishers).map(connect).collect::<Result<_, _>>()?;
    let endpoint = config.args.output.metrics_endpoint()?;
    let shared = &Shared::new();
    let memory = Memory::now(config);
    std::thread::scope(|scope| {
        let (sender, updates) = channel();
        for thread in 0..config.threads {
            let sender = sender.clone();
            scope.spawn(move || worker::run(config, shared, thread, sender));
        }
        drop(sender);
        let run = Run {
            config,
            shared,
            progress: Progress::new(config),
            endpoint,
            interrupted,
            collector: Collector::new(
                Arc::clone(config.plan.timeline()),
                threads_by_channel(config),
            ),
            updates,
            memory,
        };
        let result = run.measure(publishers, |publisher, start| {
            scope.spawn(move || publisher.run(shared, start))
        });
        shared.quit.store(true, Relaxed);
        shared.stop.store(true, Relaxed);
        result
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

type Handle<'scope> = ScopedJoinHandle<'scope, Result<Published, ConnectionError>>;

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
    /// `spawn` starts a publisher, whose schedule begins at a time on the shared clock.
    fn measure<'scope>(
        mut self,
        publishers: Vec<Publisher<'a>>,
        spawn: impl Fn(Publisher<'a>, u64) -> Handle<'scope>,
    ) -> Result<Summary, OperatorError> {
        self.await_subscribers()?;
        let (config, shared) = (self.config, self.shared);
        let (started, cpu) = (Instant::now(), cpu_time());
        let start = shared.now() + LEAD;
        shared.start.store(start, Relaxed);
        self.collector.start = start;
        let handles = publishers.into_iter().map(|publisher| spawn(publisher, start)).collect();
        let mut published = self.await_publishers(handles, start)?;
        self.await_deliveries(&published)?;
        let memory = Memory::now(config);
        let cpu = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
        shared.stop.store(true, Relaxed);
        // The workers' last batches; the channel closes with the last worker.
        while let Ok(update) = self.updates.recv() {
            self.take(update)?;
        }
        self.progress.clear();
        published.append(&mut self.collector.published);
        self.settle(&published, start);
        let summary = Summary {
            cpu_percent: 100.0 * cpu,
            own_memory: Memory::growth(self.memory.own, memory.own, config),
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

    fn await_publishers(
        &mut self,
        handles: Vec<Handle<'_>>,
        start: u64,
    ) -> Result<Vec<Published>, OperatorError> {
        let end = start + self.config.plan.timeline().length();
        let chat = self.config.plan.publish == Publish::Clients;
        let under_way = |shared: &Shared| {
            !handles.iter().all(ScopedJoinHandle::is_finished)
                || chat && shared.now() < end && !shared.quit.load(Relaxed)
        };
        while under_way(self.shared) {
            if self.interrupted.load(Relaxed) {
                self.shared.quit.store(true, Relaxed);
            }
            self.receive()?;
            self.observe(Duration::from_nanos(end.saturating_sub(self.shared.now())));
        }
        let endpoint = &self.config.endpoint;
        let finish = |handle: Handle<'_>| match handle.join() {
            Ok(result) => result.map_err(|error| {
                OperatorError(format!("a publisher to {} ended early: {error}", endpoint.url))
            }),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        handles.into_iter().map(finish).collect()
    }

    fn await_deliveries(&mut self, published: &[Published]) -> Result<(), OperatorError> {
        // Of subscribers that move it is not known before the end.
        let fixed = !self.config.plan.moves() && self.config.plan.publish != Publish::Clients;
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
        let batch =
            update.map_err(|error| error.explain(&self.config.given, &self.config.endpoint))?;
        self.collector.add(*batch);
        Ok(())
    }
}

/// User and system time of this process so far.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let microseconds = |time: nix::sys::time::TimeVal| {
        time.tv_sec().unsigned_abs() * 1_000_000 + time.tv_usec().unsigned_abs()
    };
    Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time()))
}
