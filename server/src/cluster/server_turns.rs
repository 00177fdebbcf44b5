//! Which server is next when a node connects again.

use async_nats::ServerAddr;

/// The servers that were tried, in the order of their last tries. The client library would take
/// one that has never failed before all others, also the one that the node is to leave.
#[derive(Debug, Default)]
pub(super) struct ServerTurns(Vec<ServerAddr>);

impl ServerTurns {
    /// The next of these, each with whether it was ever connected: by chance one that was not tried
    /// yet, otherwise the one whose last try is the longest ago. `None` where none was connected:
    /// the first time all are tried.
    pub(super) fn next(
        &mut self,
        servers: &[(ServerAddr, bool)],
        chance: u64,
    ) -> Option<ServerAddr> {
        let tried = &mut self.0;
        tried.retain(|one| servers.iter().any(|(known, _)| known == one));
        let connected = servers.iter().filter(|(_, was_connected)| *was_connected);
        let first = connected.map(|(one, _)| one.clone()).find(|one| !tried.contains(one));
        tried.extend(first);
        tried.first()?;
        let untried = servers.iter().map(|(one, _)| one).filter(|one| !tried.contains(one));
        let untried: Vec<_> = untried.cloned().collect();
        let next = match untried.len() as u64 {
            0 => tried.remove(0),
            count => untried.into_iter().nth((chance % count) as usize)?,
        };
        tried.push(next.clone());
        Some(next)
    }
}

#[cfg(test)]
mod tests;
