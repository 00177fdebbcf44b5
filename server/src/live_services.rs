//! The engine's services, with the settings that they have now.

use std::sync::Arc;

use parking_lot::RwLock;
use uringcast_engine::Service;

/// The services in the engine's order. Clones share them: through any they are replaced.
#[derive(Clone, Debug)]
pub struct LiveServices(Arc<RwLock<Arc<[Service]>>>);

impl LiveServices {
    /// Begins with these.
    pub fn new(services: Arc<[Service]>) -> LiveServices {
        LiveServices(Arc::new(RwLock::new(services)))
    }

    /// As they are now.
    pub fn current(&self) -> Arc<[Service]> {
        Arc::clone(&self.0.read())
    }

    /// Takes the settings of these, of which there are as many.
    pub fn replace(&self, services: Arc<[Service]>) {
        *self.0.write() = services;
    }
}
