//! Settings of a running engine, replaced.

use std::sync::Arc;

use super::config_check;
use super::handle::Handle;
use crate::config::Config;
use crate::shard::Command;
use crate::sync::Mailbox;
use crate::types::StartError;

/// Replaces settings of a running engine. Cheap to clone; one thread at a time may replace them, or
/// shards may end with different ones.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// What the engine started with: listeners and tables were made for it.
    started_with: Arc<Config>,
    handle: Arc<Handle>,
}

impl LiveConfig {
    pub(super) fn new(started_with: Arc<Config>, handle: Arc<Handle>) -> LiveConfig {
        LiveConfig { started_with, handle }
    }

    /// What the engine started with.
    pub(super) fn started_with(&self) -> &Config {
        &self.started_with
    }

    /// Takes over what [`Config::replace_live`] takes over of `new`, all of it or nothing. Blocks
    /// this thread until every shard uses it.
    ///
    /// # Errors
    /// [`StartError::Config`] when the engine would not start with it, or has no room for as many
    /// connections.
    pub fn replace(&self, new: &Config) -> Result<(), StartError> {
        let mut config = Config::clone(&self.started_with);
        config.replace_live(new)?;
        config_check::check(&config, 1)?;
        let (had, has) = (connections(&self.started_with), connections(&config));
        if has > had {
            return Err(StartError::Config(format!(
                "max_connections is {has} in all, and the engine started with room for {had}: \
                 lower it, or start anew"
            )));
        }
        let config = Arc::new(config);
        let send = |mailbox: &Mailbox<Command>| {
            let (reply, done) = oneshot::channel();
            mailbox.send_owed(Command::Configure { config: Arc::clone(&config), reply });
            done
        };
        let sent: Vec<_> = self.handle.mailboxes.iter().map(send).collect();
        // A shard that has ended answers with an error, and needs no settings.
        for done in sent {
            let _ = done.recv();
        }
        Ok(())
    }
}

/// Open connections of all services.
fn connections(config: &Config) -> usize {
    config.services.iter().fold(0, |sum, service| sum.saturating_add(service.max_connections))
}
