//! A reload of a server whose program was replaced: the new one takes over.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::support::ws::Client;
use crate::support::{FREE_PORTS, PATIENCE, PROGRAM, Server};
use rustix::process::{Pid, Signal, kill_process};

/// A process that is nobody's child here; ended with the test.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// The next message to the service manager with this text in it.
fn told(manager: &UnixDatagram, text: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let length = manager.recv(&mut bytes).expect("a message");
        let said = String::from_utf8(bytes[..length].to_vec()).unwrap();
        if said.contains(text) {
            return said;
        }
    }
}

#[test]
fn a_reload_has_a_replaced_program_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let (program, next) = (folder.path().join("server"), folder.path().join("next"));
    std::fs::copy(PROGRAM, &program).unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let notify = folder.path().join("notify").display().to_string();
    let socket = folder.path().join("handover").display().to_string();
    let flags = format!("{} --handover-socket={socket}", FREE_PORTS.join(" "));
    let environment = [("NOTIFY_SOCKET", &*notify), ("WATCHDOG_PID", "1")];
    let server = Server::start_by(Command::new(&program), &flags, &environment);
    let mut client = Client::connect(&server);
    client.subscribe("news");

    // Nothing was replaced: settings are read again, as ever.
    server.hang_up();
    told(&manager, "RELOADING=1");
    told(&manager, "STATUS=reloaded");
    client.assert_alive();

    // No program: the server serves on, and the reload has ended.
    std::fs::write(&next, "no program").unwrap();
    std::fs::set_permissions(&next, Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&next, &program).unwrap();
    server.hang_up();
    told(&manager, "RELOADING=1");
    let said = told(&manager, "READY=1");
    assert!(said.contains("STATUS=the new program does not start: Exec format error"), "{said}");
    client.assert_alive();

    // One that ends at once: the server serves on, and the reload has ended.
    std::fs::copy("/bin/false", &next).unwrap();
    std::fs::rename(&next, &program).unwrap();
    server.hang_up();
    told(&manager, "RELOADING=1");
    let said = told(&manager, "READY=1");
    assert!(said.contains("STATUS=the new program has not taken over"), "{said}");
    client.assert_alive();

    std::fs::copy(PROGRAM, &next).unwrap();
    std::fs::rename(&next, &program).unwrap();
    server.hang_up();
    told(&manager, "RELOADING=1");
    let said = told(&manager, "MAINPID=");
    let process = said.lines().find_map(|line| line.strip_prefix("MAINPID=")).unwrap();
    let successor = Orphan(Pid::from_raw(process.parse().unwrap()).unwrap());
    assert!(said.lines().any(|line| line == "READY=1"), "{said}");
    let control = server.control;
    assert!(server.ended().success());
    let path = "/v1/publish/raw?channel=news&event=test";
    assert_eq!(crate::support::http::post(control, path, "{}").status, 202);
    assert_eq!(client.message()["seq"], 1);
    client.assert_alive();
    drop(successor);
}
