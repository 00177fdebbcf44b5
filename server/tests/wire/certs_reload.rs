//! Certificates that change while the server runs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::pki::{self, Authority, BOTH, Issued};
use crate::support::wss::Client;
use crate::support::{Server, until};
use rcgen::PKCS_ECDSA_P256_SHA256;
use rustls::ClientConfig;
use serde_json::json;

const RELOADS: &str = "tls_reloads_total";
const END: &str = "tls_certificate_not_after_seconds";

/// A directory that holds cert and key behind a link, as orchestrators mount secrets.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(first: &Issued) -> Mounted {
        let mounted = Mounted(tempfile::tempdir().unwrap());
        mounted.swap(first, "0");
        for name in ["tls.pem", "tls.key"] {
            symlink(Path::new("data").join(name), mounted.0.path().join(name)).unwrap();
        }
        mounted
    }

    /// Exchanges both files at once.
    fn swap(&self, next: &Issued, version: &str) {
        let (dir, link) = (self.0.path().join(version), self.0.path().join("new"));
        fs::create_dir(&dir).unwrap();
        next.write(&dir, "tls");
        symlink(version, &link).unwrap();
        fs::rename(link, self.0.path().join("data")).unwrap();
    }

    fn flags(&self) -> String {
        let dir = self.0.path().display();
        format!("--cert-file={dir}/tls.pem --key-file={dir}/tls.key")
    }
}

fn trusting(ca: &Authority) -> Arc<ClientConfig> {
    let mut config = pki::client(&ca.pem(), None, BOTH);
    // A resumed session sends no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn wait_for(server: &Server, client: &Arc<ClientConfig>, name: &str) {
    until(&format!("the certificate {name}"), || {
        (Client::connect(server, client).unwrap().server_name() == name).then_some(())
    });
}

#[test]
fn changed_files_are_served_also_behind_links() {
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["first.example", "localhost"]));
    let (server, client) = (Server::start(&mounted.flags()), trusting(&ca));
    let mut early = Client::connect(&server, &client).unwrap();
    assert_eq!(early.server_name(), "first.example");
    mounted.swap(&ca.server(&["second.example", "localhost"]), "1");
    wait_for(&server, &client, "second.example");
    assert_eq!(server.metric(RELOADS, "result=\"success\""), 1.0);
    early.say(&json!({"type": "ping"})).unwrap();
    assert_eq!(early.message().unwrap()["type"], "pong", "who was there before stays");
    assert!(server.metric(END, "certificate=\"second.example\"") > 0.0);
}

#[test]
fn sighup_reloads_at_once_whatever_has_changed() {
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["localhost"]));
    let server = Server::start(&mounted.flags());
    for times in [1.0, 2.0] {
        server.hang_up();
        server.wait_metric(RELOADS, "result=\"success\"", times);
    }
    let (plain, said) = (Server::start(""), "reloaded: nothing has changed");
    plain.hang_up();
    until("the log", || plain.log().contains(said).then_some(()));
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_the_old_one_and_says_so() {
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["first.example", "localhost"]));
    let (server, client) = (Server::start(&mounted.flags()), trusting(&ca));
    let another_s = Issued { key: ca.server(&["x"]).key, ..ca.server(&["localhost"]) };
    mounted.swap(&another_s, "1");
    server.wait_metric(RELOADS, "result=\"failure\"", 1.0);
    wait_for(&server, &client, "first.example");
    for words in ["the old ones stay in force: key_file = ", "is not the key of the certificate"] {
        server.logged(words);
    }
    mounted.swap(&ca.server(&["second.example", "localhost"]), "2");
    wait_for(&server, &client, "second.example");
    let reloads = |result| server.metric(RELOADS, result);
    assert_eq!((reloads("success"), reloads("failure")), (1.0, 1.0));
}

#[test]
fn a_bad_certificate_that_is_written_again_and_again_is_told() {
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["localhost"]));
    let server = Server::start(&mounted.flags());
    let mut bad = String::new();
    until("the failure", || {
        // The file differs at every poll.
        bad.push('x');
        fs::write(mounted.0.path().join("tls.pem"), &bad).unwrap();
        (server.metric(RELOADS, "result=\"failure\"") > 0.0).then_some(())
    });
}

#[test]
fn a_fifo_in_the_place_of_a_certificate_holds_nothing_up() {
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["first.example", "localhost"]));
    let (server, client) = (Server::start(&mounted.flags()), trusting(&ca));
    let cert = mounted.0.path().join("tls.pem");
    fs::remove_file(&cert).unwrap();
    assert!(Command::new("mkfifo").arg(&cert).status().unwrap().success());
    server.wait_metric(RELOADS, "result=\"failure\"", 1.0);
    server.logged("it is not a regular file. Name a regular file");
    wait_for(&server, &client, "first.example");
}

#[test]
fn an_end_that_is_near_is_a_warning_and_every_end_a_metric() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::new("CA"));
    let make = |name: &str, days| {
        let issued = ca.server_with(&[name, "localhost"], &PKCS_ECDSA_P256_SHA256, days);
        let pair = issued.write(dir.path(), name);
        format!("--certificate={}:{}", pair.cert.display(), pair.key.display())
    };
    let flags = [make("soon", 20), make("late", 40)].join(" ");
    let server = Server::start(&flags);
    server.logged("soon.pem ends in ");
    assert!(!server.log().contains("late.pem ends in"), "{}", server.log());
    let end = |name| server.metric(END, &format!("certificate=\"{name}\""));
    assert_eq!(end("late") - end("soon"), 20.0 * pki::DAY as f64);
}

/// Reads events, each with the next seq, until the last one.
fn follow(mut subscriber: Client) -> u64 {
    let mut next = 1;
    loop {
        let event = subscriber.message().expect("no delivery is lost");
        assert_eq!(event["seq"], next, "{event}");
        if event["data"]["last"] == true {
            return next;
        }
        next += 1;
    }
}

#[test]
fn certificates_swapped_during_broadcasts_fail_no_handshake_and_lose_no_delivery() {
    const SUBSCRIBERS: usize = 20;
    const SWAPS: usize = 4;
    let ca = Authority::new("CA");
    let mounted = Mounted::new(&ca.server(&["v0", "localhost"]));
    // Long enough for subscribers whose threads do not run for a while.
    let flags = format!("{} --log-frames 100000 --log-bytes 64MiB", mounted.flags());
    let (server, client) = (Server::start(&flags), trusting(&ca));
    let subscribe = |_| {
        let mut subscriber = Client::connect(&server, &client).unwrap();
        subscriber.say(&json!({"type": "subscribe", "data": {"channel": "swaps"}})).unwrap();
        assert_eq!(subscriber.message().unwrap()["data"]["status"], "subscribed");
        subscriber
    };
    let subscribers: Vec<_> = (0..SUBSCRIBERS).map(subscribe).collect();
    let done = AtomicBool::new(false);
    let (newcomers, published) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        let followers: Vec<_> =
            subscribers.into_iter().map(|one| threads.spawn(|| follow(one))).collect();
        for _ in 0..2 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    Client::connect(&server, &client).expect("no handshake fails");
                    newcomers.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let publisher = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                server.publish("swaps", "{}");
                published.fetch_add(1, Ordering::Relaxed);
            }
            server.publish("swaps", "{\"last\":true}")
        });
        for version in 1..=SWAPS {
            let name = format!("v{version}");
            mounted.swap(&ca.server(&[&name, "localhost"]), &version.to_string());
            wait_for(&server, &client, &name);
            // Under load: much goes on with every certificate.
            let now = |count: &AtomicUsize| count.load(Ordering::Relaxed);
            let (came, sent) = (now(&newcomers), now(&published));
            until("newcomers and broadcasts", || {
                (now(&newcomers) >= came + 20 && now(&published) >= sent + 100).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        let last = publisher.join().unwrap();
        for follower in followers {
            assert_eq!(follower.join().unwrap(), last);
        }
    });
    server.wait_metric(RELOADS, "result=\"success\"", SWAPS as f64);
    assert_eq!(server.settled("websocket_connection_errors_total", "tls_handshake"), 0.0);
}
