//! Clients that read channels' logs by request: what they are answered is what the homes encoded.

use serde_json::Value;

use super::client::Client;
use super::order::{HistoryOrder, Order};
use super::plan::{Plan, pick};
use super::truth::Truth;
use super::world::World;
use super::{SEEDS, run_all, seeds};

impl Plan {
    pub(super) fn reading(seed: u64) -> Plan {
        Plan { histories: true, ..Plan::new(seed, None) }
    }
}

impl World {
    /// A request for a channel's history.
    pub(super) fn history_request(&mut self, client: usize, id: u64, channel: usize) -> String {
        let since = self.rng.bool().then(|| self.truth.position(&mut self.rng, channel));
        let limit = pick(&mut self.rng, &[1, 2, 5, 100]);
        let reverse = self.rng.bool();
        let name = self.truth.name(channel);
        let position =
            |(epoch, seq): &(String, u64)| format!(r#","since":{{"epoch":"{epoch}","seq":{seq}}}"#);
        let position = since.as_ref().map(position).unwrap_or_default();
        let data =
            format!(r#"{{"channel":"{name}","limit":{limit},"reverse":{reverse}{position}}}"#);
        let head = self.truth.head(channel);
        let order = Order::History(HistoryOrder { channel, since, limit, reverse, head });
        self.clients[client].orders.push_back((id, order));
        format!(r#"{{"id":"{id}","type":"request","event":"history","data":{data}}}"#)
    }
}

impl Client {
    /// A part of a log.
    pub(super) fn history(&mut self, value: &Value, truth: &Truth) {
        let Order::History(order) = self.order(value) else { panic!("{value}") };
        let HistoryOrder { channel, since, limit, reverse, head } = order;
        let data = &value["data"];
        assert_eq!(data["channel"], truth.name(channel));
        let life = truth.life(channel, data["epoch"].as_str().unwrap());
        let newest = data["newest"].as_u64().unwrap();
        assert!(head <= newest && newest <= truth.length(channel, life), "{value}");
        let oldest = data["oldest"].as_u64().unwrap_or(newest + 1);
        let is_same = |(epoch, _): &&(String, u64)| *epoch == data["epoch"];
        let position = since.as_ref().filter(is_same).map(|(_, seq)| *seq);
        let why = match position {
            None => since.is_some().then_some("restart"),
            Some(since) if since > newest => Some("ahead"),
            Some(since) if !reverse && since + 1 < oldest => Some("retention"),
            Some(_) => None,
        };
        assert_eq!((data["reason"].as_str(), &data["partial"]), (why, &why.is_some().into()));
        assert!(why != Some("retention") || !truth.roomy, "nothing was dropped: {value}");
        let all: Vec<u64> = match reverse {
            false => {
                (position.map_or(oldest, |p| p.saturating_add(1).max(oldest))..=newest).collect()
            }
            true => (oldest..=position.map_or(newest, |p| newest.min(p.saturating_sub(1))))
                .rev()
                .collect(),
        };
        let messages = data["messages"].as_array().unwrap();
        assert!(messages.len() <= limit && (messages.is_empty() == all.is_empty()), "{value}");
        assert_eq!(data["more"], messages.len() < all.len(), "{value}");
        for (message, seq) in messages.iter().zip(all) {
            assert_eq!(message["seq"], seq, "{value}");
            truth.check_message(channel, life, message);
        }
        self.histories += messages.len() as u64;
    }
}

#[test]
fn what_a_request_reads_of_a_log_is_what_its_home_encoded() {
    let seeds = seeds(&[], 2);
    let met = run_all(seeds.iter().map(|seed| Plan::reading(*seed)));
    println!("{} seeds: {met:?}", seeds.len());
    assert!(seeds.len() < SEEDS as usize / 2 || met["messages of history"] > 0, "{met:?}");
}
