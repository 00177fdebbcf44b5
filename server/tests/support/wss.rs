//! A WebSocket client over TLS, for tests that look at the TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use super::{PATIENCE, Server, ws};

/// One connection.
pub struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// Connects as to `localhost`, upgrades and reads the welcome.
    ///
    /// # Errors
    /// When the handshake or the upgrade fails.
    pub fn connect(server: &Server, config: &Arc<ClientConfig>) -> io::Result<Client> {
        let stream = TcpStream::connect(server.clients[0])?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut client = Client(StreamOwned::new(tls, stream));
        let request = ws::upgrade_request(server.clients[0], "");
        client.0.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.exactly::<1>()?[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        assert_eq!(client.message()?["event"], "session.created");
        Ok(client)
    }

    /// Sends a JSON message.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn say(&mut self, message: &Value) -> io::Result<()> {
        self.0.write_all(&ws::frame(ws::FIN | ws::TEXT, message.to_string().as_bytes()))
    }

    /// Reads one JSON message.
    ///
    /// # Errors
    /// When the connection fails, or something else comes.
    pub fn message(&mut self) -> io::Result<Value> {
        let [first, short] = self.exactly()?;
        assert_eq!(first, ws::FIN | ws::TEXT);
        let length = match short {
            126 => u16::from_be_bytes(self.exactly()?).into(),
            127 => u64::from_be_bytes(self.exactly()?) as usize,
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload)?;
        Ok(serde_json::from_slice(&payload)?)
    }

    /// Reads a close frame: its code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        let [first, length] = self.exactly().expect("a frame");
        assert_eq!(first, ws::FIN | ws::CLOSE);
        let mut payload = vec![0; length.into()];
        self.0.read_exact(&mut payload).expect("a close frame");
        let code = u16::from_be_bytes([payload[0], payload[1]]);
        (code, String::from_utf8(payload[2..].to_vec()).expect("UTF-8"))
    }

    /// The TLS connection.
    pub fn tls(&self) -> &ClientConnection {
        &self.0.conn
    }

    /// The common name of the server's certificate.
    pub fn server_name(&self) -> String {
        let leaf = &self.tls().peer_certificates().expect("a certificate")[0];
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).expect("X.509");
        let name = parsed.subject().iter_common_name().next().expect("a common name");
        name.as_str().expect("text").to_owned()
    }

    fn exactly<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
