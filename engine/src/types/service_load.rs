//! What the clients of a service hold.

/// Connections and subscriptions of clients; the engine's own are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceLoad {
    /// Connections not yet released.
    pub connections: u64,
    /// Subscriptions of them.
    pub subscriptions: u64,
    /// Connections that were told to reconnect and are not yet released.
    pub draining: u64,
}

impl std::ops::AddAssign for ServiceLoad {
    fn add_assign(&mut self, other: ServiceLoad) {
        self.connections += other.connections;
        self.subscriptions += other.subscriptions;
        self.draining += other.draining;
    }
}
