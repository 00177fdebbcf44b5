//! Which settings of a running engine can be replaced.

use super::{Config, Service};
use crate::types::StartError;

impl Config {
    /// Takes over, of another configuration with the same services, what the engine reads where it
    /// uses it: `keepalive`, `max_outbox`, and of each service `welcome`, `welcome_extra`,
    /// `reconnect`, `max_connections`, `max_message`, `max_json_depth`, `message_rate`, `access`
    /// but its `mode`, `anonymous_publish`, `classes` and `subprotocols`. All else stays: something
    /// was made for it.
    ///
    /// # Errors
    /// [`StartError::Config`] when the services are not the same.
    pub fn replace_live(&mut self, new: &Config) -> Result<(), StartError> {
        let names = |config: &Config| -> Vec<String> {
            config.services.iter().map(|service| service.name.clone()).collect()
        };
        if names(self) != names(new) {
            let (has, wanted) = (names(self).join(", "), names(new).join(", "));
            return Err(StartError::Config(format!(
                "the services are {wanted}, and the engine started with {has}: start anew"
            )));
        }
        self.keepalive = new.keepalive;
        self.max_outbox = new.max_outbox;
        for (service, new) in self.services.iter_mut().zip(&new.services) {
            service.replace_live(new);
        }
        Ok(())
    }
}

impl Service {
    fn replace_live(&mut self, new: &Service) {
        self.welcome.clone_from(&new.welcome);
        self.welcome_extra.clone_from(&new.welcome_extra);
        self.reconnect = new.reconnect;
        self.max_connections = new.max_connections;
        self.max_message = new.max_message;
        self.max_json_depth = new.max_json_depth;
        self.message_rate = new.message_rate;
        let mode = self.access.mode;
        self.access.clone_from(&new.access);
        self.access.mode = mode;
        self.anonymous_publish = new.anonymous_publish;
        self.classes.clone_from(&new.classes);
        self.subprotocols.clone_from(&new.subprotocols);
    }
}

#[cfg(test)]
mod tests;
