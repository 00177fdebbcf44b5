//! Opening many connections: some tens are always under way, in order, each read in its turn.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ClientConfig;
use socket2::{Domain, Socket, Type};

use crate::line::Line;

/// Connections under way at once, unless told otherwise.
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

/// Where to connect to, and from which addresses.
pub(crate) struct Connector {
    pub server: SocketAddr,
    /// The last two bytes of the first client address 127.x.y.1 count up from here.
    pub net: u8,
    tls: Option<Arc<ClientConfig>>,
    /// Connections under way at once.
    pub under_way: usize,
    opened: usize,
}

impl Connector {
    pub(crate) fn new(server: SocketAddr, net: u8, tls: Option<Arc<ClientConfig>>) -> Connector {
        Connector { server, net, tls, under_way: UNDER_WAY, opened: 0 }
    }

    /// Opens one connection for each wish; ready ones go to `ready` with the bytes already read
    /// after the last reply.
    pub(crate) fn open(
        &mut self,
        wishes: impl Iterator<Item = Wish>,
        mut ready: impl FnMut(Line),
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

    /// Connects and asks for the upgrade.
    fn request(&mut self, path: &str) -> io::Result<Line> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let host = 1 + (self.opened / PER_ADDRESS) as u8;
        self.opened += 1;
        let from = SocketAddr::from((Ipv4Addr::new(127, 77, self.net, host), 0));
        socket.bind(&from.into())?;
        socket.connect(&self.server.into())?;
        socket.set_tcp_nodelay(true)?;
        // Closed by a reset: no port waits for a minute afterwards.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = Line::new(TcpStream::from(socket), self.tls.as_ref())?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.server
        );
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }
}

struct Greeted {
    stream: Line,
    wish: Wish,
    read: Vec<u8>,
}

fn greet(
    upgrading: &mut VecDeque<(Line, Wish)>,
    greeting: &mut VecDeque<Greeted>,
) -> io::Result<()> {
    let Some((mut stream, wish)) = upgrading.pop_front() else { return Ok(()) };
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = memchr::memmem::find(&read, b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut stream, &mut read)?;
    };
    if !read.starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other(format!("no upgrade: {}", text(&read))));
    }
    read.drain(..end);
    stream.write_all(&wish.hello)?;
    greeting.push_back(Greeted { stream, wish, read });
    Ok(())
}

fn settle(greeting: &mut VecDeque<Greeted>, ready: &mut impl FnMut(Line)) -> io::Result<()> {
    let Some(Greeted { mut stream, wish, mut read }) = greeting.pop_front() else { return Ok(()) };
    while memchr::memmem::find_iter(&read, wish.reply).count() < wish.replies {
        more(&mut stream, &mut read)
            .map_err(|error| io::Error::other(format!("{error}, after {}", text(&read))))?;
    }
    stream.socket.set_read_timeout(None)?;
    stream.socket.set_nonblocking(true)?;
    ready(stream);
    Ok(())
}

fn more(stream: &mut Line, read: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        n => {
            read.extend_from_slice(&buffer[..n]);
            Ok(())
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}
