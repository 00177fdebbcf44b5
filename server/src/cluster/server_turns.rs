//! Which server is next when a node connects again.

use async_nats::{Server, ServerAddr};

/// The servers that were tried, in the order of their last tries. The client library would take
/// one that has never failed before all others, also the one that the node is to leave.
#[derive(Debug, Default)]
pub(super) struct ServerTurns(Vec<ServerAddr>);

impl ServerTurns {
    /// The next of these: by chance one that was not tried yet, otherwise the one that was last
    /// tried the longest ago. `None` where none was ever connected: the first time all are tried.
    pub(super) fn next(&mut self, servers: &[Server], chance: u64) -> Option<ServerAddr> {
        let takes_part = takes_part(servers);
        let servers: Vec<_> = servers.iter().filter(|server| takes_part(server)).collect();
        let tried = &mut self.0;
        tried.retain(|one| servers.iter().any(|known| known.addr == *one));
        let connected = servers.iter().filter(|server| server.did_connect);
        let first = connected.map(|server| &server.addr).find(|one| !tried.contains(one));
        tried.extend(first.cloned());
        tried.first()?;
        let untried = servers.iter().map(|server| &server.addr).filter(|one| !tried.contains(one));
        let untried: Vec<_> = untried.cloned().collect();
        let next = match untried.len() as u64 {
            0 => tried.remove(0),
            count => untried.into_iter().nth((chance % count) as usize)?,
        };
        tried.push(next.clone());
        Some(next)
    }
}

/// Servers tell of each other by address. One that is listed by name would be known twice, and a
/// node that leaves it could come back to it by the other: where several are listed, those that
/// were only told of have a turn once all of the listed have failed.
fn takes_part(servers: &[Server]) -> impl Fn(&Server) -> bool {
    let listed = || servers.iter().filter(|server| !server.is_discovered);
    let is_enough = listed().count() > 1 && listed().any(|server| server.failed_attempts == 0);
    move |server| !server.is_discovered || !is_enough
}

#[cfg(test)]
mod tests;
