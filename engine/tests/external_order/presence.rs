//! Presence over two engines: the order keeps the rosters.

use serde_json::json;
use uringcast_engine::{
    ChannelName, Epoch, PresenceEnd, PresenceQuestion, PresenceReport, PresenceRequest, Seq, Time,
};

use super::{Client, Cluster, Node};

/// Keeps the rosters, and publishes what changes.
pub(super) fn report(node: &Node, request: PresenceRequest) {
    let mut stream = node.stream();
    for report in request.reports {
        let channel = match &report {
            PresenceReport::Entered { channel, .. } | PresenceReport::Left { channel, .. } => {
                channel.clone()
            }
        };
        let mut roster = stream.rosters.remove(channel.as_str()).unwrap_or_default();
        match report {
            PresenceReport::Entered { connection, user, .. } => {
                roster.enter(connection, user);
            }
            PresenceReport::Left { connection, why, .. } => {
                roster.leave(connection, why == PresenceEnd::Ended, Time(u64::MAX));
            }
        }
        while let Some(change) = roster.next_change(Time(0)) {
            let event = change.event(&channel, || roster.list(Epoch(7), Seq(0)));
            stream.append(event);
        }
        stream.rosters.insert(channel.as_str().into(), roster);
    }
    drop(stream);
    request.reply.answer(());
}

/// Says who is there.
pub(super) fn answer(node: &Node, question: PresenceQuestion) {
    let PresenceQuestion { channel, reply } = question;
    let mut stream = node.stream();
    let last = stream.messages(&channel).last().map_or(Seq(0), |last| last.seq);
    let epoch = Epoch(stream.epoch);
    let roster = stream.rosters.entry(channel.as_str().into()).or_default();
    reply.answer(Ok(roster.list(epoch, last)));
}

/// The next event, and who it is about.
fn change(client: &mut Client) -> (String, String) {
    let event = client.read();
    let id = event["data"]["connection_id"].as_str().unwrap_or_default().to_owned();
    (event["event"].as_str().unwrap().to_owned(), id)
}

#[test]
fn subscribers_of_both_engines_know_each_other() {
    let cluster = Cluster::start();
    let [mut here, mut there] = [cluster.connect(0), cluster.connect(1)];
    here.subscribe(json!({"channel": "present:1"}));
    let (joined, own) = change(&mut here);
    assert_eq!(joined, "presence.join");
    there.subscribe(json!({"channel": "present:1"}));
    let (first, second) = (change(&mut here), change(&mut there));
    assert_eq!(first.0, "presence.join");
    assert_eq!((first.1 != own, &first), (true, &second));
    let ask = json!({"type": "request", "event": "presence", "data": {"channel": "present:1"}});
    for client in [&mut here, &mut there] {
        let list = client.ask(&ask);
        assert_eq!((&list["data"]["count"], &list["data"]["seq"]), (&json!(2), &json!(2)));
    }
    // Whoever asks at an engine gets the list of all.
    let name = ChannelName::parse("present:1").unwrap();
    let list = pollster::block_on(cluster.engines[0].presence(name)).unwrap().unwrap();
    assert_eq!((list.count, list.connections, list.seq), (2, 2, Seq(2)));
    let other = ChannelName::parse("absent:1").unwrap();
    assert_eq!(pollster::block_on(cluster.engines[0].presence(other)), Ok(None));
    // They are nothing that was published: no last event, and nothing to keep the channel for.
    let status = json!({"type": "request", "event": "status", "data": {"channel": "present:1"}});
    let status = here.ask(&status);
    assert!(!status.to_string().contains("presence.join"), "{status}");
    drop(there);
    let left = change(&mut here);
    assert_eq!(left, ("presence.leave".to_owned(), first.1));
}
