//! Opening many connections: some tens are always under way, in order, each read in its turn.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use uringcast_loadgen::client::{Client, Event, Fault};
use uringcast_loadgen::transport::{Tls, Transport};

use crate::server_protocol::{ServerProtocol, Speech};

/// Connections under way at once, by default.
const UNDER_WAY: usize = 64;
/// Connections of one client address, well below its 28,232 ports.
const PER_ADDRESS: usize = 7_000;
/// How long a server may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// What it speaks, for one channel or for many.
    pub(crate) fn speech(&self, many: bool) -> Speech {
        Speech::new(self.protocol, many)
    }
}

/// Where to connect to, and from which addresses.
pub(crate) struct Connector {
    server: SocketAddr,
    /// The last two bytes of the first client address 127.x.y.1 count up from here.
    net: u8,
    tls: Option<Tls>,
    /// Connections under way at once.
    pub under_way: usize,
    opened: usize,
}

/// A connection, blocking until it is ready.
pub(crate) struct Opened {
    pub transport: Transport,
    pub client: Client,
    upgraded: bool,
    ready: bool,
}

impl Connector {
    pub(crate) fn new(server: SocketAddr, net: u8, tls: Option<Tls>) -> Connector {
        Connector { server, net, tls, under_way: UNDER_WAY, opened: 0 }
    }

    /// Opens so many connections, which `start` begins by number for this host; ready ones go to
    /// `ready`.
    pub(crate) fn open(
        &mut self,
        count: usize,
        start: impl Fn(usize, &str, &mut Vec<u8>) -> Client,
        mut ready: impl FnMut(Opened),
    ) -> io::Result<()> {
        let host = self.server.to_string();
        let (mut upgrading, mut confirming) = (VecDeque::new(), VecDeque::new());
        for number in 0..count {
            let mut out = Vec::new();
            let client = start(number, &host, &mut out);
            let mut transport = Transport::over(self.connect()?, self.tls.as_ref())?;
            transport.write(&mut out)?;
            upgrading.push_back(Opened { transport, client, upgraded: false, ready: false });
            if upgrading.len() >= self.under_way {
                pass(&mut upgrading, |one| one.upgraded, |one| confirming.push_back(one))?;
            }
            if confirming.len() >= self.under_way {
                pass(&mut confirming, |one| one.ready, &mut ready)?;
            }
        }
        while !upgrading.is_empty() {
            pass(&mut upgrading, |one| one.upgraded, |one| confirming.push_back(one))?;
        }
        while !confirming.is_empty() {
            pass(&mut confirming, |one| one.ready, &mut ready)?;
        }
        Ok(())
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let host = 1 + (self.opened / PER_ADDRESS) as u8;
        self.opened += 1;
        let from = SocketAddr::from((Ipv4Addr::new(127, 77, self.net, host), 0));
        socket.bind(&from.into())?;
        socket.connect(&self.server.into())?;
        // Closed by a reset: no port waits for a minute afterwards.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket.into())
    }
}

/// Reads the oldest until it has come so far, and passes it on.
fn pass(
    queue: &mut VecDeque<Opened>,
    far: impl Fn(&Opened) -> bool,
    mut on: impl FnMut(Opened),
) -> io::Result<()> {
    let Some(mut oldest) = queue.pop_front() else { return Ok(()) };
    while !far(&oldest) {
        oldest.read()?;
    }
    on(oldest);
    Ok(())
}

impl Opened {
    fn read(&mut self) -> io::Result<()> {
        let Opened { transport, client, upgraded, ready } = self;
        let (mut buffer, mut out) = ([0; 4096], Vec::new());
        let read = transport.read(&mut buffer)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let received = client.receive(&buffer[..read], &mut out, |event| match event {
            Event::Upgraded => *upgraded = true,
            Event::Ready => *ready = true,
            _ => {}
        });
        received.map_err(|fault: Fault| io::Error::other(fault.to_string()))?;
        transport.write(&mut out)
    }

    /// Subscribes to further channels and waits for the confirmations.
    pub(crate) fn subscribe_further(&mut self, channels: &[String]) -> io::Result<()> {
        let mut out = Vec::new();
        self.ready = self.client.subscribe_further(channels, &mut out);
        self.transport.write(&mut out)?;
        while !self.ready {
            self.read()?;
        }
        Ok(())
    }

    /// For epoll.
    pub(crate) fn nonblocking(self) -> io::Result<(Transport, Client)> {
        self.transport.stream.set_nonblocking(true)?;
        Ok((self.transport, self.client))
    }
}
