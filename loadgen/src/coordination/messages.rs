//! What a coordinator and its workers tell each other, as JSON.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::greeting::{Nonce, Proof};
use crate::batch::Batch;
use crate::config::{Config, Portion};
use crate::error::OperatorError;

/// To a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// The first one.
    Prove { nonce: Nonce, proof: Proof },
    /// What does your clock show?
    AskClock,
    /// Connect this portion.
    Carry(Box<Assignment>),
    /// The load begins at this time of the coordinator's clock.
    Start(u64),
    /// Publish no more.
    Quit,
    /// End, and report the rest.
    Stop,
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The first one, unasked.
    Greeting {
        version: String,
        nonce: Nonce,
    },
    /// To a proof that is accepted.
    Proven {
        proof: Proof,
        cores: u32,
    },
    Clock(u64),
    /// Subscribers that are there, and messages that were sent, in all.
    Progress {
        ready: u32,
        published: u64,
    },
    Recorded(Box<Batch>),
    /// The portion has ended; all was reported.
    Ended {
        cpu_percent: f64,
    },
    /// It cannot go on.
    Failed(String),
}

/// A portion of a run, and the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// The coordinator's command line.
    pub(super) words: Vec<String>,
    /// The text of its `--plan`.
    pub(super) plan: Option<String>,
    /// The rate that a search tries.
    pub(super) rate: Option<f64>,
    pub(super) run: String,
    pub(super) threads: u32,
    pub(super) portion: Portion,
    /// From the worker's clock to the coordinator's, in nanoseconds.
    pub(super) clock_offset: i64,
}

impl Assignment {
    /// All of a run; portion and clock are each worker's own.
    pub(super) fn of(config: &Config) -> Result<Self, OperatorError> {
        let words = std::env::args_os().skip(1).filter(|word| word != "coordinate");
        let words = words.map(|word| {
            let bad = |word| OperatorError(format!("{}: not UTF-8", Path::new(&word).display()));
            word.into_string().map_err(bad)
        });
        let plan = config.args.plan.as_deref().map(|path| {
            let bad = |error| OperatorError(format!("--plan {}: {error}", path.display()));
            std::fs::read_to_string(path).map_err(bad)
        });
        let phases = config.plan.timeline().phases();
        let rate = phases.last().map(|phase| phase.rate.0);
        Ok(Self {
            words: words.collect::<Result<_, _>>()?,
            plan: plan.transpose()?,
            rate: rate.filter(|_| config.plan.max_rate.is_some()),
            run: config.run.clone(),
            threads: config.threads,
            portion: config.portion.clone(),
            clock_offset: 0,
        })
    }
}
