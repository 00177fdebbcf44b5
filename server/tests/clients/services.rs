//! Each of the seven services as its clients find it: the same test for all, of data from the
//! presets, with the code that PyPI has of the service and of the family's client.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::ws::Client;
use crate::support::{Server, tools};
use serde_json::json;
use uringcast_server::presets::{self, Preset};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

/// A service's variable for the secret of its tokens, and the one that turns them on.
fn variables(preset: &Preset) -> [(&str, &str); 2] {
    let first = |setting: &str| preset.variables[setting][0].as_str();
    [(first("jwt_secret"), SECRET), (first("auth_enabled"), "true")]
}

/// Runs the service's client against an open server and one that requires tokens, both with
/// nothing set but the preset's name and the original's variables.
fn is_as_documented(name: &str, script: &str) {
    let preset = presets::find(name).unwrap();
    let flags = format!("--preset={name} --shards=2");
    let open = Server::start(&flags);
    let auth = Server::start_in(&flags, &variables(preset));
    let (url, described) = (format!("ws://{}/", auth.clients[0]), json!(preset).to_string());
    let [secret, enabled] = variables(preset);
    let environment =
        [("AUTH_URL", &*url), ("PRESET", &described), ("AUTH_SECRET", SECRET), secret, enabled];
    let test = format!("{name} is as documented");
    tools::run_client_with(&test, script, &open, &environment);
    assert!(!auth.log().contains(SECRET) && !open.log().contains("ERROR"));
    is_full_at_its_limit(preset);
}

/// One connection more than the original accepted.
fn is_full_at_its_limit(preset: &Preset) {
    let Some(most) = preset.settings.get("max_connections") else { return };
    let server = Server::start(&format!("--preset={} --shards=2", preset.name));
    let most = most.as_integer().unwrap();
    let clients: Vec<Client> = (0..most).map(|_| Client::connect(&server)).collect();
    let stream = std::net::TcpStream::connect(server.clients[0]).unwrap();
    assert_eq!(Client::upgrade(stream).closed(), (1013, "Server at maximum capacity".into()));
    let labels = format!("server=\"{}\",error_type=\"max_connections\"", preset.name);
    let refused = server.wait_metric("websocket_connection_errors_total", &labels, 1.0);
    assert_eq!(refused, 1.0, "nobody else was refused");
    let all = format!("server=\"{}\"", preset.name);
    // The refused connection is counted until it is closed.
    crate::support::until("it to be gone", || {
        (server.metric("websocket_connections_active", &all) == most as f64).then_some(())
    });
    drop(clients);
}

#[test]
fn mahavishnu_is_as_its_documents_say() {
    is_as_documented("mahavishnu", "service_client.py");
}

#[test]
fn crackerjack_is_as_its_documents_say() {
    is_as_documented("crackerjack", "service_client.py");
}

#[test]
fn session_buddy_is_as_its_documents_say() {
    is_as_documented("session-buddy", "session_buddy_client.py");
}

#[test]
fn akosha_is_as_its_documents_say() {
    is_as_documented("akosha", "service_client.py");
}

#[test]
fn fastblocks_is_as_its_documents_say() {
    is_as_documented("fastblocks", "service_client.py");
}

#[test]
fn excalidraw_is_as_its_documents_say() {
    is_as_documented("excalidraw", "service_client.py");
}

#[test]
fn dhruva_is_as_its_documents_say() {
    is_as_documented("dhruva", "service_client.py");
}
