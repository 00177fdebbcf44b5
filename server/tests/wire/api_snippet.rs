//! The code in docs/API.md and docs/MIGRATING.md is run exactly as written.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::support::ws::Client;
use crate::support::{Server, text, tools};

#[test]
fn the_migration_guide_s_broadcast_to_room_takes_the_family_s_messages() {
    const TEST: &str = "the_migration_guide_s_broadcast_to_room_takes_the_family_s_messages";
    let Some(python) = tools::python(TEST, "httpx").and_then(|_| tools::python(TEST, "python"))
    else {
        return;
    };
    let page = std::fs::read_to_string(tools::root().join("docs/MIGRATING.md")).unwrap();
    let snippet = page.split("<!-- broadcast_to_room -->\n```python\n").nth(1).unwrap();
    let snippet = snippet.split("```").next().unwrap();
    let written = snippet.lines().filter(|line| !line.is_empty()).count();
    assert!(written <= 10, "{written} lines");
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("pool:1");
    // Twice, as after a lost answer: a message has an id.
    let calls = r#"
import asyncio, types

async def main():
    message = types.SimpleNamespace(id="m-1", event="pool.scaled", data={"worker_count": 5})
    await broadcast_to_room("pool:1", message)
    await broadcast_to_room("pool:1", message)
    message = types.SimpleNamespace(id="m-2", event="pool.closed", data={})
    await broadcast_to_room("pool:1", message)

asyncio.run(main())
"#;
    let output = Command::new(python)
        .args(["-c", &format!("{snippet}{calls}")])
        .env("URINGCAST", format!("http://{}", server.control))
        .output()
        .unwrap();
    assert_eq!((text(&*output.stdout), text(&*output.stderr)), (String::new(), String::new()));
    let events = [client.message(), client.message()].map(|event| event["event"].clone());
    assert_eq!(events, ["pool.scaled", "pool.closed"]);
}

#[test]
fn a_service_s_own_broadcaster_publishes_with_the_ten_lines_of_the_document() {
    const TEST: &str = "a_service_s_own_broadcaster_publishes_with_the_ten_lines_of_the_document";
    let Some(python) = tools::python(TEST, "httpx").and_then(|_| tools::python(TEST, "python"))
    else {
        return;
    };
    let page = std::fs::read_to_string(tools::root().join("docs/API.md")).unwrap();
    let snippet = page.split("<!-- broadcast -->\n```python\n").nth(1).unwrap();
    let snippet = snippet.split("```").next().unwrap();
    let written = snippet.lines().filter(|line| !line.is_empty()).count();
    assert!(written <= 10, "{written} lines");
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("workflow:1");
    let call = r#"print(broadcast("workflow:1", "workflow.started", {"name": "Überweisung"}))"#;
    let output = Command::new(python)
        .args(["-c", &format!("{snippet}\n{call}\n")])
        .env("URINGCAST", format!("http://{}", server.control))
        .output()
        .unwrap();
    assert_eq!((text(&*output.stdout), text(&*output.stderr)), ("1\n".into(), String::new()));
    let event = client.message();
    assert_eq!(
        (&event["event"], &event["room"]),
        (&"workflow.started".into(), &"workflow:1".into())
    );
    assert_eq!(event["data"]["name"], "Überweisung");
}
