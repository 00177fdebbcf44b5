//! The part of a load that one process carries: some of the publishers and of the subscribers.

use std::sync::mpsc::Sender;
use std::thread::Scope;

use crate::batch::Update;
use crate::config::Config;
use crate::error::OperatorError;
use crate::publisher::Publisher;
use crate::shared::Shared;
use crate::worker;

/// A part with its publishers connected.
pub(crate) struct Part<'a> {
    config: &'a Config,
    publishers: Vec<Publisher<'a>>,
    updates: Sender<Update>,
}

impl<'a> Part<'a> {
    /// Connects the publishers. All threads will report to `updates`.
    ///
    /// # Errors
    /// When there are too few descriptors, or a publisher cannot connect.
    pub(crate) fn connect(
        config: &'a Config,
        updates: Sender<Update>,
    ) -> Result<Self, OperatorError> {
        config.check_file_limit()?;
        let connect = |number| Publisher::connect(config, number, updates.clone());
        let publishers = config.portion.publishers.clone().map(connect);
        Ok(Self { config, publishers: publishers.collect::<Result<_, _>>()?, updates })
    }

    /// Starts the threads: subscribers connect at once, publishers wait for the start.
    pub(crate) fn spawn<'scope>(self, scope: &'scope Scope<'scope, '_>, shared: &'scope Shared)
    where
        'a: 'scope,
    {
        let Self { config, publishers, updates } = self;
        for thread in config.portion.threads.clone() {
            let updates = updates.clone();
            scope.spawn(move || worker::run(config, shared, thread, updates));
        }
        for publisher in publishers {
            scope.spawn(move || publisher.run(shared));
        }
    }
}
