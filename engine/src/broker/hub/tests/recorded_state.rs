//! A state that an earlier version has recorded, in a hub that goes on with it.

use super::*;
use crate::broker::write_sink::{Flushed, Payload, WriteSink};
use crate::handover::{EarlyBook, FORMAT_VERSION, READABLE_FROM, State};
use crate::tests::alone::Alone;
use crate::types::{EventName, JsonObject, Now, Publication, Seq};

/// What is written, with the index of each connection.
#[derive(Default)]
struct Sink {
    loaded: Vec<Payload>,
    written: Vec<(u32, String)>,
}

impl WriteSink for Sink {
    fn load(&mut self, payload: Payload) {
        self.loaded.push(payload);
    }

    fn push(&mut self, connection: u32) -> bool {
        let payload = self.loaded.last().expect("something is loaded");
        let text = String::from_utf8_lossy(payload.bytes()).into_owned();
        self.written.push((connection, text));
        false
    }

    fn flush(&mut self, out: &mut Flushed) {
        out.payloads.append(&mut self.loaded);
    }
}

#[test]
fn the_state_of_each_recorded_format_is_served() {
    for format in READABLE_FROM..=FORMAT_VERSION {
        let file = format!("src/handover/tests/format-{format}.state");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let mut state = State::decode(&std::fs::read(file).unwrap()).unwrap();
        let engine = state.engine.clone();
        let all = state.shards.iter_mut().flat_map(|shard| &mut shard.connections);
        all.for_each(|connection| connection.socket.shard = ShardId(0));
        let part = state.divide(1, EarlyBook::default()).unwrap().remove(0);
        let service = Service { name: engine.services[0].clone(), ..Service::default() };
        let mut hub = Hub::new(Arc::new(Config::from(service)), ShardId(0), 1, 8, 1)
            .with_epoch(engine.epoch)
            .with_homes(engine.homes(1));
        hub.begin_iteration(Now { mono: engine.time, unix_us: 0 });
        hub.import(part).unwrap();
        let publication = Publication {
            channel: ChannelName::parse("news").unwrap(),
            event: EventName::parse("test").unwrap(),
            data: JsonObject::parse(br#"{"after":true}"#).unwrap(),
            key: None,
        };
        assert_eq!(hub.publish(&publication), Ok(Seq(5)));
        let mut sink = Sink::default();
        while hub.poll_transmit(&mut sink, &mut Alone) {}
        // The connection at slot 0 had been handed all before.
        let texts: Vec<_> = sink.written.iter().filter(|(to, _)| *to == 0).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].1.contains(r#""seq":5"#) && texts[0].1.contains("after"), "{texts:?}");
    }
}
