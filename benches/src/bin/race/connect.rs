//! Opening many connections: some tens are always under way, in order, each read in its turn.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use uringcast_benches::client::{Client, Upgrading};
use uringcast_loadgen::transport::{Tls, Transport};

use crate::server_protocol::ServerProtocol;

/// Connections under way at once, by default.
const UNDER_WAY: usize = 64;
/// Connections of one client address, well below its 28,232 ports.
const PER_ADDRESS: usize = 7_000;
/// How long a server may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection is for.
pub(crate) struct Wish {
    pub path: String,
    /// Said after the upgrade.
    pub hello: Vec<u8>,
    /// How often `reply` must come back before the connection counts as ready.
    pub replies: usize,
    pub reply: &'static str,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Target {
    pub protocol: ServerProtocol,
    pub server: SocketAddr,
    pub net: u8,
    pub tls: Option<Tls>,
}

impl Target {
    /// Connects from addresses of their own for each `offset`.
    pub(crate) fn connector(&self, offset: u8) -> Connector {
        Connector::new(self.server, self.net.wrapping_add(offset), self.tls.clone())
    }
}

/// Where to connect to, and from which addresses.
pub(crate) struct Connector {
    pub server: SocketAddr,
    /// The last two bytes of the first client address 127.x.y.1 count up from here.
    pub net: u8,
    tls: Option<Tls>,
    /// Connections under way at once.
    pub under_way: usize,
    opened: usize,
}

impl Connector {
    pub(crate) fn new(server: SocketAddr, net: u8, tls: Option<Tls>) -> Connector {
        Connector { server, net, tls, under_way: UNDER_WAY, opened: 0 }
    }

    /// Opens one connection for each wish; ready ones go to `ready`.
    pub(crate) fn open(
        &mut self,
        wishes: impl Iterator<Item = Wish>,
        mut ready: impl FnMut(Transport),
    ) -> io::Result<()> {
        let (mut upgrading, mut greeting) = (VecDeque::new(), VecDeque::new());
        for wish in wishes {
            upgrading.push_back((self.request(&wish.path)?, wish));
            if upgrading.len() >= self.under_way {
                greet(&mut upgrading, &mut greeting)?;
            }
            if greeting.len() >= self.under_way {
                settle(&mut greeting, &mut ready)?;
            }
        }
        while !upgrading.is_empty() {
            greet(&mut upgrading, &mut greeting)?;
        }
        while !greeting.is_empty() {
            settle(&mut greeting, &mut ready)?;
        }
        Ok(())
    }

    /// Connects and requests the upgrade.
    fn request(&mut self, path: &str) -> io::Result<Upgrading> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let host = 1 + (self.opened / PER_ADDRESS) as u8;
        self.opened += 1;
        let from = SocketAddr::from((Ipv4Addr::new(127, 77, self.net, host), 0));
        socket.bind(&from.into())?;
        socket.connect(&self.server.into())?;
        // Closed by a reset: no port waits for a minute afterwards.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Upgrading::request(socket.into(), self.tls.as_ref(), &self.server.to_string(), path)
    }
}

/// Finishes the oldest upgrade and sends what follows it.
fn greet(
    upgrading: &mut VecDeque<(Upgrading, Wish)>,
    greeting: &mut VecDeque<(Client, Wish)>,
) -> io::Result<()> {
    let Some((upgrading, mut wish)) = upgrading.pop_front() else { return Ok(()) };
    let mut client = upgrading.finish()?;
    client.transport.write(&mut wish.hello)?;
    greeting.push_back((client, wish));
    Ok(())
}

/// Waits for the replies to the oldest greeting.
fn settle(
    greeting: &mut VecDeque<(Client, Wish)>,
    ready: &mut impl FnMut(Transport),
) -> io::Result<()> {
    let Some((mut client, wish)) = greeting.pop_front() else { return Ok(()) };
    while memchr::memmem::find_iter(client.held(), wish.reply).count() < wish.replies {
        if let Err(error) = client.fill() {
            let held = String::from_utf8_lossy(&client.held()[..client.held().len().min(300)]);
            return Err(io::Error::other(format!("{error}, after {held}")));
        }
    }
    client.transport.stream.set_read_timeout(None)?;
    client.transport.stream.set_nonblocking(true)?;
    ready(client.transport);
    Ok(())
}
