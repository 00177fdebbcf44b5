//! A program with WebSockets of its own, here tungstenite's and a thread for each, and the family's
//! metrics: `cargo run --example own_sockets`, then `curl localhost:9464/metrics`.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use tungstenite::Message;
use uringcast_engine::WebSocketMetrics;
use uringcast_engine::telemetry::{ConnectionError, MessageType};

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let metrics = WebSocketMetrics::new("echo", false);
    let server = metrics.start_metrics_server(9464)?;
    println!("listening on ws://{}", listener.local_addr()?);
    println!("metrics on {:?}", server.local_addr());
    for stream in listener.incoming() {
        let (stream, metrics) = (stream?, metrics.clone());
        thread::spawn(move || {
            if converse(stream, &metrics).is_err() {
                metrics.on_connection_error(ConnectionError::Reset);
            }
        });
    }
    Ok(())
}

/// Says everything back until the client closes.
fn converse(stream: TcpStream, metrics: &WebSocketMetrics) -> Result<(), Box<dyn Error>> {
    let mut socket = tungstenite::accept(stream).map_err(|error| error.to_string())?;
    metrics.on_connect();
    let ended = echo(&mut socket, metrics);
    metrics.on_disconnect();
    match ended {
        Err(tungstenite::Error::ConnectionClosed) => Ok(()),
        ended => Ok(ended?),
    }
}

fn echo(
    socket: &mut tungstenite::WebSocket<TcpStream>,
    metrics: &WebSocketMetrics,
) -> Result<(), tungstenite::Error> {
    loop {
        let message = socket.read()?;
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            continue;
        }
        let start = Instant::now();
        metrics.on_message_received(MessageType::Request);
        socket.send(message)?;
        metrics.on_message_sent(MessageType::Response);
        metrics.observe_latency(MessageType::Request, start.elapsed());
    }
}
