//! One load that several processes carry, on this host or on others. The coordinator has the plan
//! and adds up; each worker carries a portion of the threads and publishers, on the coordinator's
//! clock.

mod clock_offset;
mod greeting;
mod member;
mod message_stream;
mod messages;
mod worker_process;

use std::sync::mpsc::Sender;
use std::thread::Scope;

use crate::batch::Update;
use crate::config::{Config, Portion};
use crate::error::OperatorError;
use crate::shared::Shared;
pub(crate) use greeting::Secret;
use member::Member;
use messages::Assignment;
pub(crate) use worker_process::{WorkerFlags, serve};

/// The workers of one run, each with its portion.
pub(crate) struct Crew(Vec<Member>);

impl Crew {
    /// Connects to the workers, compares clocks with each and divides the load. Returns the run as
    /// all together carry it.
    ///
    /// # Errors
    /// Names the worker that cannot be had, and the remedy.
    pub(crate) fn gather(
        config: &Config,
        shared: &Shared,
    ) -> Result<(Self, Config), OperatorError> {
        let secret = Secret::read(config.args.secret_file.as_deref())?;
        let workers = &config.args.workers;
        let (count, connections) = (workers.len() as u32, config.plan.connections);
        if connections < count {
            return Err(OperatorError(format!(
                "--connections {connections}: fewer than the {count} workers; name fewer of them"
            )));
        }
        let mut members = Vec::new();
        for address in workers {
            let bad = |what| OperatorError(format!("--worker {address}: {what}"));
            members.push(Member::join(address, &secret, shared).map_err(bad)?);
        }
        let (mut threads, publishers) = (0, config.plan.publishers);
        for (place, member) in (0..count).zip(&mut members) {
            let own = config.args.threads.unwrap_or(member.cores).clamp(1, connections / count);
            let at = |place| (u64::from(publishers) * u64::from(place) / u64::from(count)) as u32;
            let publishers = at(place)..at(place + 1);
            member.portion = Portion { threads: threads..threads + own, publishers };
            threads += own;
            if !config.args.output.quiet {
                eprintln!("loadgen: {}", member.line());
            }
        }
        Ok((Self(members), Config { threads, ..config.clone() }))
    }

    /// Starts a thread for each worker, which passes on what it reports.
    ///
    /// # Errors
    /// When what the workers need to know cannot be read.
    pub(crate) fn spawn<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        config: &'scope Config,
        shared: &'scope Shared,
        updates: &Sender<Update>,
    ) -> Result<(), OperatorError> {
        let assignment = Assignment::of(config)?;
        for member in self.0 {
            let (updates, assignment) = (updates.clone(), assignment.clone());
            scope.spawn(move || member.run(config, assignment, shared, &updates));
        }
        Ok(())
    }
}
