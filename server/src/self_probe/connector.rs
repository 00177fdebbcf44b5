//! How a canary connects: as any client, to the address clients use.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use uringcast_engine::{ProbeKey, Proxies, ShardId};

use crate::probe_client::{RecordingVerifier, Stream, introduce, reachable};

/// A canary's connection.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Why a canary could not connect.
pub(super) type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// The error for a first message that is no welcome.
const UNWELCOME: &str = "it was not welcomed as a client is";

/// Where probes connect, and what opens.
pub struct Connector {
    address: SocketAddr,
    key: ProbeKey,
    tls: Option<TlsConnector>,
    proxies: Proxies,
}

impl Connector {
    /// To the listener at `address`, where a connection from here may be one of these proxies'.
    pub fn new(address: SocketAddr, key: ProbeKey, tls: bool, proxies: Proxies) -> Connector {
        Connector { address: reachable(address), key, tls: tls.then(connector), proxies }
    }

    /// Connects, and returns the shard that the kernel chose.
    pub(super) async fn connect(&self) -> Result<(ShardId, Socket), ConnectError> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        introduce(&mut stream, &self.proxies).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::IpAddress(self.address.ip().into());
                Box::new(tls.connect(name, stream).await?)
            }
        };
        let url = format!("ws://{}{}", self.address, self.key.path());
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let welcome = socket.next().await.ok_or(UNWELCOME)??;
        let id = field(&welcome, "connection_id");
        let shard = id.and_then(|id| ShardId::of_connection(id.as_str()?));
        Ok((shard.ok_or(UNWELCOME)?, socket))
    }
}

/// A field of a message's `data`.
pub(super) fn field(message: &Message, name: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
    message.get("data")?.get(name).cloned()
}

/// Accepts every certificate of the listener, if the listener proves to have its key. A canary does
/// not check which certificate a client gets and whether clients trust it. The probes show that
/// this engine answers: no other program has their key.
fn connector() -> TlsConnector {
    let config = RecordingVerifier::new(None).config().with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
