//! A whole engine around shards that only answer commands.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::*;
use crate::api::listen::tests::own_address;
use crate::broker::ChannelEntry;
use crate::config::{Config, Service};
use crate::limits::MAX_SHARDS;
use crate::shard::{Command, Question};
use crate::telemetry::Recorder;
use crate::types::DrainReport;
use crate::types::{ChannelName, Epoch, Publication, PublishError, Seq, ServiceId, Time};

fn config(shards: usize) -> Config {
    config_at((Ipv4Addr::LOCALHOST, 0).into(), shards)
}

fn config_at(address: SocketAddr, shards: usize) -> Config {
    let listen = vec![address];
    Config { shards: Some(shards), ..Service { listen, ..Service::default() }.into() }
}

/// Listens on an address and closes the port again. Returns the address.
fn listen(address: SocketAddr) -> Result<SocketAddr, StartError> {
    let all = listen::listen(std::iter::once(&[address][..]), &[], &[], 1)?;
    Ok(all.addresses[0].1)
}

/// What a shard with these parts reports.
fn ring(parts: &ShardParts) -> ShardRing {
    ShardRing { shard: parts.id, descriptor: 0, slots: parts.slots }
}

/// Waits for the next command as a shard does.
fn next(parts: &mut ShardParts) -> Command {
    loop {
        parts.bell.park();
        if let Some((command, _)) = parts.mailbox.pop() {
            parts.bell.unpark();
            return command;
        }
        poll(&mut [PollFd::new(&*parts.bell, PollFlags::IN)], None).unwrap();
        parts.bell.drain();
        parts.bell.unpark();
    }
}

/// Serves until it is drained: shard N homes N + 1 channels and has one subscriber of each.
fn serve(mut parts: ShardParts) {
    parts.ready.send(Ok(ring(&parts))).unwrap();
    parts.heartbeat.beat(Time::default() + parts.started.elapsed());
    let mut recorder = Recorder::new(parts.id, 1, true);
    recorder.connected(ServiceId(0));
    parts.metrics.send(&mut recorder);
    loop {
        match next(&mut parts) {
            Command::Authenticated { .. } => unreachable!("nobody shows a token here"),
            Command::Publish { items, reply } => {
                let _ = reply.send(items.iter().map(|_| Ok(Seq(1))).collect());
            }
            Command::Ask(Question::Channels { from, limit, reply, .. }) => {
                let name = |n| ChannelName::parse(&format!("{}:{n}", parts.id.0)).unwrap();
                let (seq, epoch) = (Seq(1), Epoch(2));
                let all = u32::from(parts.id.0) + 1;
                let end = all.min(from + limit as u32);
                let page = (from..end).map(|n| ChannelEntry { name: name(n), seq, epoch });
                let _ = reply.send((page.collect(), (end < all).then_some(end)));
            }
            Command::Ask(Question::Subscribers { names, reply }) => {
                let _ = reply.send(vec![1; names.len()]);
            }
            Command::Refuse { reply, .. } => {
                let _ = reply.send(());
            }
            Command::Expel { .. }
            | Command::SetDocument { .. }
            | Command::SetState { .. }
            | Command::HandOver(_)
            | Command::Configure { .. }
            | Command::Ask(_) => {}
            Command::Drain { reply, .. } => {
                let _ = reply.send(DrainReport { closed: 10, cut: u64::from(parts.id.0) });
                return;
            }
        }
    }
}

/// As `serve`, but shard 1 fails to start.
fn serve_but_one(parts: ShardParts) {
    if parts.id.0 == 1 {
        let refusal = StartError::ring(rustix::io::Errno::NOMEM.into());
        parts.ready.send(Err(refusal)).unwrap();
    } else {
        serve(parts);
    }
}

/// As `serve`, but shard 1 ends without reporting.
fn serve_but_one_is_silent(parts: ShardParts) {
    if parts.id.0 != 1 {
        serve(parts);
    }
}

/// Reads one command and ends.
fn end_after_one_command(mut parts: ShardParts) {
    parts.ready.send(Ok(ring(&parts))).unwrap();
    next(&mut parts);
}

/// Reads one command and panics.
fn panic_after_one_command(parts: ShardParts) {
    end_after_one_command(parts);
    panic!("on purpose");
}

#[test]
fn an_engine_starts_serves_and_drains() {
    let engine = start(config_at(own_address(1), 3), serve).unwrap();
    assert_eq!(engine.shards(), 3);
    let address = engine.local_addrs()[0];
    std::net::TcpStream::connect(address).unwrap();
    assert!(engine.topology.handle.stage.is_serving());

    let mut cursor = Some(0);
    let mut names = Vec::new();
    while let Some(from) = cursor {
        let (page, next) = pollster::block_on(engine.channels(ServiceId(0), from, 2));
        assert!(page.iter().all(|channel| channel.subscribers == 3));
        names.extend(page.iter().map(|channel| channel.name.to_string()));
        cursor = next;
    }
    assert_eq!(names, ["0:0", "1:0", "1:1", "2:0", "2:1", "2:2"]);
    let beyond = pollster::block_on(engine.channels(ServiceId(0), u64::MAX, 2));
    assert!(beyond.0.is_empty() && beyond.1.is_none());

    assert_eq!(engine.drain(Duration::from_secs(5)), DrainReport { closed: 30, cut: 3 });
    listen(address).expect("the port is free again");
}

#[test]
fn a_publisher_outlives_its_engine_and_says_so() {
    let engine = start(config(1), serve).unwrap();
    let publisher = engine.publisher(ServiceId(0));
    let batch = publisher.try_publish_batch(Vec::<Publication>::new()).unwrap();
    assert_eq!(batch.wait(), []);
    drop(engine);
    let publication = Publication {
        channel: ChannelName::parse("c").unwrap(),
        event: crate::types::EventName::parse("e").unwrap(),
        data: crate::types::JsonObject::parse(b"{}").unwrap(),
        key: None,
    };
    let ticket = publisher.try_publish(publication).unwrap();
    assert_eq!(ticket.wait(), Err(PublishError::Closed));
}

#[test]
fn dropping_an_engine_ends_its_shards() {
    let engine = start(config_at(own_address(2), 2), serve).unwrap();
    let handle = Arc::clone(&engine.topology.handle);
    let address = engine.local_addrs()[0];
    drop(engine);
    assert!(!handle.stage.is_serving());
    listen(address).expect("the port is free again");
}

#[test]
fn a_shard_that_cannot_start_ends_the_others_and_says_why() {
    // Shard 0 and 2 hold the listeners too: they are joined before `start` returns.
    let address = listen(own_address(3)).unwrap();
    let config = config_at(address, 3);
    let error = start(config, serve_but_one).unwrap_err();
    assert!(matches!(error, StartError::Ring { .. }), "{error}");
    listen(address).expect("the port is free again");
}

#[test]
fn a_shard_that_ends_while_starting_keeps_nobody_waiting() {
    let text = start(config(2), serve_but_one_is_silent).unwrap_err().to_string();
    assert!(text.contains("shard-1 ended while the engine started"), "{text}");
}

#[test]
fn snapshots_are_collected_and_their_boxes_go_back() {
    let engine = start(config(2), serve).unwrap();
    // `serve` sends its snapshot after it is ready, and before it answers anything.
    pollster::block_on(engine.channels(ServiceId(0), 0, 1));
    let mut shards = Vec::new();
    engine.collect(|snapshot| {
        assert_eq!(snapshot.services[0].connections, 1);
        shards.push(snapshot.shard.0);
    });
    shards.sort_unstable();
    assert_eq!(shards, [0, 1]);
    assert!(engine.topology.spare_snapshots.iter().all(|spares| spares.len() == 1));
    engine.collect(|_| panic!("there is nothing more"));
}

#[test]
fn an_engine_is_ready_while_its_shards_beat_and_it_does_not_drain() {
    let mut engine = start(config(2), serve).unwrap();
    pollster::block_on(engine.channels(ServiceId(0), 0, 1));
    let beat = Time::default() + engine.topology.started.elapsed();
    engine.topology.heartbeats.iter().for_each(|heart| heart.beat(beat));
    assert!(engine.is_ready());
    // As if shard 1 had sent no heartbeat for longer than allowed.
    engine.topology.started -= crate::limits::HEARTBEAT_LIMIT;
    let beat = Time::default() + engine.topology.started.elapsed();
    engine.topology.heartbeats[0].beat(beat);
    assert!(!engine.is_ready());
    engine.topology.heartbeats[1].beat(beat);
    assert!(engine.is_ready());
    engine.topology.handle.stage.drain();
    assert!(!engine.is_ready());
}

/// One test of this file again, alone in a process of its own.
fn alone(test: &str) -> Process {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process
        .args(["--exact", &format!("api::start::tests::{test}"), "--nocapture"])
        .env("URINGCAST_TEST_ALONE", "1");
    process
}

/// Starts an engine of `run`, sends it a command, and waits for the process to be ended. Returns
/// whether this is a process of its own for that.
fn is_aborted(run: fn(ShardParts)) -> bool {
    if std::env::var_os("URINGCAST_TEST_ALONE").is_none() {
        return false;
    }
    let engine = start(config(2), run).unwrap();
    pollster::block_on(engine.channels(ServiceId(0), 0, 1));
    std::mem::take(&mut { engine }.threads).into_iter().for_each(|t| t.join().unwrap());
    true
}

fn aborts(test: &str, run: fn(ShardParts), says: &str) {
    if is_aborted(run) {
        return;
    }
    let output = alone(test).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "SIGABRT expected: {stderr}");
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn a_shard_that_ends_while_serving_aborts_the_process() {
    let test = "a_shard_that_ends_while_serving_aborts_the_process";
    aborts(test, end_after_one_command, "shard-0 ended while serving");
}

#[test]
fn an_abort_does_not_wait_for_a_standard_error_that_nobody_reads() {
    if is_aborted(end_after_one_command) {
        return;
    }
    let (_unread, mut full) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&full).unwrap();
    rustix::fs::fcntl_setfl(&full, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while std::io::Write::write(&mut full, b"\n").is_ok() {}
    rustix::fs::fcntl_setfl(&full, flags).unwrap();
    let test = "an_abort_does_not_wait_for_a_standard_error_that_nobody_reads";
    let ended = alone(test).stdout(std::process::Stdio::null()).stderr(full).status().unwrap();
    assert_eq!(ended.signal(), Some(6));
}

#[test]
fn a_shard_that_panics_aborts_the_process() {
    aborts("a_shard_that_panics_aborts_the_process", panic_after_one_command, "shard-0 panicked");
}

#[test]
fn a_setting_out_of_range_is_refused_by_name() {
    let refused = |change: fn(&mut Config)| {
        let mut config = config(1);
        change(&mut config);
        config_check::check(&config, 2).unwrap_err().to_string()
    };
    assert!(refused(|c| c.services[0].listen.clear()).starts_with("listen of uringcast is empty"));
    assert!(refused(|c| c.services.clear()).starts_with("services are 0: have 1 to 16"));
    let duplicate = refused(|c| c.services.push(c.services[0].clone()));
    assert!(duplicate.starts_with("two services are called \"uringcast\""), "{duplicate}");
    let taken = refused(|c| drop(c.services[0].welcome_extra.insert("server".into(), 1.into())));
    assert!(taken.starts_with("welcome_extra of uringcast has server"), "{taken}");
    assert!(refused(|c| c.shards = Some(0)).starts_with("shards is 0: choose 1 to 64"));
    assert!(refused(|c| c.shards = Some(65)).starts_with("shards is 65"));
    let full = refused(|c| c.services[0].max_connections = 0);
    assert!(full.starts_with("max_connections of uringcast is 0"), "{full}");
    let many = refused(|c| c.max_channels = (1 << 20) + 1);
    assert!(many.starts_with("max_channels is 1048577: choose 1 to 1048576"), "{many}");
    assert!(refused(|c| c.retention.frames = 0).starts_with("retention.frames is 0"));
    assert!(refused(|c| c.keepalive = Duration::from_millis(5)).starts_with("keepalive is 5ms"));
}

#[test]
fn shards_default_to_the_cores_there_are() {
    let shards = |cores| config_check::check(&Config { shards: None, ..config(1) }, cores).unwrap();
    assert_eq!([shards(0), shards(2), shards(100)], [1, 2, MAX_SHARDS]);
}

#[test]
fn the_public_types_can_go_to_any_thread() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(_: T) {}
    shared::<Engine>();
    shared::<crate::api::Publisher>();
    let engine = start(config(1), serve).unwrap();
    sent(engine.channels(ServiceId(0), 0, 1));
}
