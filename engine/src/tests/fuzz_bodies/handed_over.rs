//! The body for states that another process hands over.

use std::sync::Arc;

use crate::broker::Hub;
use crate::broker::write_sink::{Flushed, Payload, WriteSink};
use crate::config::{Config, Service};
use crate::handover::{Connection, EarlyBook, Part, State, reseal};
use crate::tests::alone::Alone;
use crate::types::{Now, Time};

/// Connections of a shard.
const CAPACITY: usize = 64;

/// A state: as it is, and with the right checksums, as a liar would write it. What can be read is
/// written again as it was, and hubs that take it over go on with it.
pub fn handover_state(data: &[u8]) {
    let _ = State::decode(data);
    let Ok(state) = State::decode(&reseal(data)) else { return };
    let again = State::decode(&state.encode()).expect("what was read can be written");
    assert_eq!(format!("{state:?}"), format!("{again:?}"));
    let (epoch, services) = (state.engine.epoch, state.engine.services.len().min(16));
    let (now, engine) = (state.engine.time, state.engine.clone());
    let config = Config { services: vec![Service::default(); services], ..Config::default() };
    for (shards, state) in [(1, state), (3, again)] {
        let mut state = state;
        let early = std::mem::take(&mut state.early);
        let Ok((book, early)) = EarlyBook::divide(early, shards, services) else { continue };
        let Ok(parts) = state.divide(shards, book) else { continue };
        for (part, early) in parts.into_iter().zip(early) {
            let shard = part.shard;
            let hub = Hub::new(Arc::new(config.clone()), shard, shards, CAPACITY, 1);
            let hub = hub.with_epoch(epoch).with_homes(engine.homes(shards));
            go_on(hub, (early, part), now);
        }
    }
}

fn go_on(mut hub: Hub, (early, part): (Vec<Connection>, Part), now: Time) {
    let at = |ms: u64| Now { mono: Time(now.0.saturating_add(ms * 1_000_000)), unix_us: 0 };
    hub.begin_iteration(at(0));
    if hub.import_early(early).is_err() || hub.import(part).is_err() {
        return;
    }
    for round in 0..40 {
        while hub.poll_effect().is_some() {}
        hub.begin_iteration(at(round * 50));
        hub.handle_tick();
        hub.poll_transmit(&mut Sink::default(), &mut Alone);
    }
}

/// Takes everything.
#[derive(Default)]
struct Sink(Vec<Payload>);

impl WriteSink for Sink {
    fn load(&mut self, payload: Payload) {
        self.0.push(payload);
    }

    fn push(&mut self, _: u32) -> bool {
        false
    }

    fn flush(&mut self, out: &mut Flushed) {
        out.payloads.append(&mut self.0);
    }
}
