//! Subprotocols: which is agreed to, and the token that an offer may carry.

use std::net::TcpStream;

use crate::support::Server;
use crate::support::tools::run_client_with;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{WebSocket, client};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn server(flags: &str) -> Server {
    Server::start(&format!("--jwt-secret {SECRET} --subprotocol uringcast.v2,uringcast.v1 {flags}"))
}

fn token() -> String {
    let claims = json!({"sub": "u1", "exp": get_current_timestamp() + 60});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::default(), &claims, &key).expect("a token")
}

/// A client that fails, as browsers do, where it is answered with no subprotocol or another.
fn connect(server: &Server, offer: &str) -> (WebSocket<TcpStream>, String) {
    let mut request = format!("ws://{}/", server.clients[0]).into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", offer.parse().expect("a header"));
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let (socket, response) = client(request, stream).expect("the client accepts the answer");
    let agreed = response.headers().get_all("sec-websocket-protocol").iter();
    let agreed: Vec<_> = agreed.map(|name| name.to_str().expect("text")).collect();
    (socket, agreed.join("|"))
}

#[test]
fn a_subprotocol_is_agreed_to_and_an_offer_beside_it_carries_the_token() {
    let server = server("--log-level trace");
    let token = token();
    for offer in [
        format!("uringcast.v1, bearer.{token}"),
        format!("bearer.{token}, other, uringcast.v1, uringcast.v2"),
    ] {
        let (mut socket, agreed) = connect(&server, &offer);
        assert_eq!(agreed, "uringcast.v1");
        let welcome = socket.read().expect("a welcome").into_text().expect("text");
        let welcome: serde_json::Value = serde_json::from_str(&welcome).expect("JSON");
        assert_eq!(welcome["event"], "session.created", "{welcome}");
        assert_eq!(welcome["data"]["authenticated"], true, "{welcome}");
    }
    server.settle();
    let signature = token.rsplit('.').next().expect("a signature");
    assert!(!server.log().contains(signature), "a token is in the log");
}

#[test]
fn a_bad_token_in_an_offer_is_refused_as_one_in_a_header() {
    let server = server("");
    let (mut socket, agreed) = connect(&server, "uringcast.v2, bearer.no-token");
    assert_eq!(agreed, "uringcast.v2");
    let refusal = socket.read().expect("an answer").into_text().expect("text");
    assert!(refusal.contains("AUTH_FAILED"), "{refusal}");
}

#[test]
fn pythons_websockets_agrees_and_shows_its_token_in_an_offer() {
    let test = "pythons_websockets_agrees_and_shows_its_token_in_an_offer";
    run_client_with(test, "subprotocol_client.py", &server(""), &[("TOKEN", &token())]);
}
