//! A hand-over that fails at each of its places: the server serves on, or the new process has all.
//! This test is the new process; docs/HANDOVER.md has the table.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::support::ws::Client;
use crate::support::{Server, until};
use rustix::process::Signal;
use serde_json::json;
use uringcast_engine::limits::{HANDOVER_COMMIT, HANDOVER_HELLO, HANDOVER_READY};
use uringcast_engine::{
    ChannelName, Config, Engine, EventName, JsonObject, NotTakenOver, Prepared, Publication,
    Service, ServiceId, Successor,
};

/// A server with a client of one channel.
struct Old {
    server: Server,
    client: Client,
    seq: u64,
    folder: tempfile::TempDir,
}

impl Old {
    fn start() -> Old {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("handover");
        let server = Server::start(&format!("--shards=2 --handover-socket={}", socket.display()));
        let mut client = Client::connect(&server);
        client.subscribe("news");
        Old { server, client, seq: 0, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("handover")
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).unwrap()
    }

    fn begin(&self) -> Successor {
        Successor::begin(self.connect()).unwrap()
    }

    fn prepare(&self) -> (Engine, Prepared) {
        let (engine, standing_by) = self.begin().prepare(config()).unwrap();
        (engine, standing_by.read().unwrap())
    }

    /// It serves its clients as before, and says why.
    fn serves_on(&mut self, why: &str) {
        self.server.logged(why);
        self.seq += 1;
        assert_eq!(self.server.publish("news", "{}"), self.seq, "{why}");
        assert_eq!(self.client.message()["seq"], self.seq, "{why}");
        self.client.assert_alive();
        Client::connect(&self.server).assert_alive();
    }

    /// It stands still: a signal alone is not yet followed by all threads.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.server.pid());
        until("the server to stand still", || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.split_once(") ")?.1.starts_with('T').then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        crate::support::signal(self.server.pid(), signal);
    }
}

/// What the server has, with another number of shards.
fn config() -> Config {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let service = Service { name: "uringcast".into(), listen, ..Service::default() };
    Config { shards: Some(1), ..Config::from(service) }
}

fn publish(engine: &Engine) -> u64 {
    let publication = Publication {
        channel: ChannelName::parse("news").unwrap(),
        event: EventName::parse("test").unwrap(),
        data: JsonObject::parse(b"{}").unwrap(),
        key: None,
    };
    engine.publisher(ServiceId(0)).try_publish(publication).unwrap().wait().unwrap().0
}

fn refused(result: Result<(), NotTakenOver>, why: &str) {
    let said = result.unwrap_err().to_string();
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_successor_that_leaves_changes_nothing() {
    let mut old = Old::start();
    drop(old.connect());
    old.serves_on("left before its Hello");
    drop(old.begin());
    old.serves_on("left before its Rings");
    let (engine, prepared) = old.prepare();
    // Without it the engine has nothing to wait for.
    drop(prepared);
    drop(engine);
    old.serves_on("left before its Ready");
    let (engine, prepared) = old.prepare();
    assert!(prepared.refuse("of the moon").to_string().contains("of the moon"));
    drop(engine);
    old.serves_on("of the moon");
}

#[test]
fn a_successor_that_is_silent_is_given_up() {
    let mut old = Old::start();
    let silent = old.connect();
    sleep(HANDOVER_HELLO);
    old.serves_on("late with its Hello");
    drop(silent);
    let (engine, prepared) = old.prepare();
    sleep(HANDOVER_READY);
    old.serves_on("late with its Ready");
    refused(prepared.serve(), "other process");
    drop(engine);
    old.serves_on("late with its Ready");
}

#[test]
fn bytes_that_are_no_message_change_nothing() {
    let mut old = Old::start();
    std::io::Write::write_all(&mut old.connect(), &[7; 16]).unwrap();
    old.serves_on("no hand-over");
}

#[test]
fn a_predecessor_that_ends_before_its_state_is_no_more() {
    let old = Old::start();
    let successor = old.begin();
    old.signal(Signal::KILL);
    let (engine, standing_by) = successor.prepare(config()).unwrap();
    let refused = standing_by.read().map(drop).unwrap_err().to_string();
    assert!(refused.contains("left before its Early"), "{refused}");
    drop(engine);
}

#[test]
fn a_predecessor_that_ends_behind_its_state_is_followed() {
    let mut old = Old::start();
    assert_eq!(old.server.publish("news", "{}"), 1);
    let (engine, prepared) = old.prepare();
    old.signal(Signal::KILL);
    prepared.serve().unwrap();
    assert_eq!(publish(&engine), 2);
    for seq in [1, 2] {
        assert_eq!(old.client.message()["seq"], seq);
    }
    old.client.assert_alive();
    let left = old.client.ask(&json!({"type": "unsubscribe", "data": {"channel": "news"}}));
    assert_eq!(left["data"]["status"], "unsubscribed", "{left}");
    engine.drain(Duration::ZERO);
}

#[test]
fn a_predecessor_that_stands_still_is_not_followed() {
    let mut old = Old::start();
    let (engine, prepared) = old.prepare();
    old.stop();
    refused(prepared.serve(), "late with its Commit");
    assert!(HANDOVER_COMMIT < crate::support::PATIENCE);
    drop(engine);
    old.signal(Signal::CONT);
    old.serves_on("no hand-over");
    // And it may be taken over still.
    let (engine, prepared) = old.prepare();
    prepared.serve().unwrap();
    assert_eq!(publish(&engine), old.seq + 1);
    assert_eq!(old.client.message()["seq"], old.seq + 1);
    until("the old server's end", || old.server.log().contains("handed over").then_some(()));
    engine.drain(Duration::ZERO);
}
