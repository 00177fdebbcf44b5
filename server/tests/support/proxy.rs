//! A proxy between clients and a server, which cuts, stalls and refuses connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// One on a free port of 127.0.0.1. Its threads end with the test's process.
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    stalls: AtomicBool,
    refuses: AtomicBool,
    /// Those that have ended keep no descriptor.
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl State {
    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Passes on to this server, which need not run all the time.
    pub fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a port");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.refuses.load(Ordering::Relaxed) {
                    continue;
                }
                // A connection that the server does not take ends at once.
                let Ok(server) = connect(server) else { continue };
                let (client, server) = (Arc::new(client), Arc::new(server));
                shared.streams().extend([&client, &server].map(Arc::downgrade));
                join(&shared, Arc::clone(&client), Arc::clone(&server));
                join(&shared, server, client);
            }
        });
        Proxy { address, state }
    }

    /// Ends all connections, and tells nobody why.
    pub fn cut(&self) {
        for stream in self.state.streams().drain(..).filter_map(|stream| stream.upgrade()) {
            // It may have ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether connections stay open and nothing passes.
    pub fn stall(&self, stalls: bool) {
        self.state.stalls.store(stalls, Ordering::Relaxed);
    }

    /// Whether new connections end at once.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::Relaxed);
    }
}

/// To the server, by a connection that holds little: what a client does not take comes to lie in
/// the server soon.
fn connect(server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_recv_buffer_size(8 << 10)?;
    // The kernel's buffers grow with it, and that of the loopback interface is 64 KiB.
    socket.set_tcp_mss(1_400)?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

/// Copies what comes from one side to the other.
fn join(state: &Arc<State>, from: Arc<TcpStream>, to: Arc<TcpStream>) {
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = (&*from).read(&mut buffer) {
            while state.stalls.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if (&*to).write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // The other direction may have done it.
        let _ = to.shutdown(Shutdown::Both);
    });
}
