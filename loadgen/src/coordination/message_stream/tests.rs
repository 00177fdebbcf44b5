use std::net::TcpListener;

use super::*;

fn pair() -> (MessageStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (MessageStream::new(listener.accept().unwrap().0).unwrap(), client)
}

#[test]
fn messages_come_whole_however_they_are_cut() {
    let (mut stream, mut peer) = pair();
    let mut bytes = Vec::new();
    for text in ["\"one\"", "\"two\""] {
        bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    for byte in &bytes[..bytes.len() - 1] {
        peer.write_all(&[*byte]).unwrap();
    }
    let found: String = stream.await_message(Duration::from_secs(5)).unwrap();
    assert_eq!(found, "one");
    assert_eq!(stream.receive::<String>(), Ok(None), "the second is not whole");
    peer.write_all(&bytes[bytes.len() - 1..]).unwrap();
    let found: String = stream.await_message(Duration::from_secs(5)).unwrap();
    assert_eq!(found, "two");
    drop(peer);
    assert!(stream.await_message::<String>(Duration::from_secs(5)).unwrap_err().contains("closed"));
}

#[test]
fn a_stranger_cannot_announce_a_large_message() {
    let (mut stream, mut peer) = pair();
    peer.write_all(&5_000_u32.to_be_bytes()).unwrap();
    let error = stream.await_message::<String>(Duration::from_secs(5)).unwrap_err();
    assert!(error.contains("more than 4096"), "{error}");
    stream.trust();
    assert_eq!(stream.receive::<String>(), Ok(None), "it may be whole later");
}
