//! Connections that another process has taken over, with something still armed on their slots.

use super::*;
use crate::broker::connection::Admission;
use crate::broker::write_sink::{Flushed, Owed, Payload, Short, WriteSink};
use crate::tests::alone::Alone;
use crate::types::{ClientAction, ClientCommand, Target};

/// Of what is written it takes a byte.
#[derive(Default)]
struct Narrow {
    loaded: Vec<Payload>,
    written: Vec<u32>,
    shorts: Vec<Short>,
}

impl WriteSink for Narrow {
    fn load(&mut self, payload: Payload) {
        self.loaded.push(payload);
    }

    fn push(&mut self, connection: u32) -> bool {
        self.written.push(connection);
        let run = self.loaded.len() - 1;
        self.shorts.push(Short { connection, run, owed: Owed::After(1) });
        false
    }

    fn flush(&mut self, out: &mut Flushed) {
        out.shorts.append(&mut self.shorts);
        out.payloads.append(&mut self.loaded);
    }
}

#[test]
fn what_is_still_armed_on_has_nothing_more_said_to_it() {
    let mut hub = Hub::new(Arc::new(Config::default()), ShardId(0), 1, 8, 1);
    let key = hub.admit(Admission::plain(([127, 0, 0, 1], 1).into())).unwrap();
    let mut sink = Narrow::default();
    while hub.poll_transmit(&mut sink, &mut Alone) {}
    let waits = std::iter::from_fn(|| hub.poll_effect())
        .any(|effect| matches!(effect, Effect::AwaitWritable(of) if of == key));
    assert!(waits && sink.written == [key.index], "it is behind with its welcome");

    let id = hub.parts.core.connections.id(ShardId(0), key).to_string();
    hub.abandon(key);
    hub.handle_writable(key);
    hub.begin_drain();
    let (service, action) = (ServiceId(0), ClientAction::Disconnect);
    let command = ClientCommand { service, target: Target::Connection(id), action };
    assert_eq!(hub.disconnect(&command, 0), (0, None));
    while hub.poll_transmit(&mut sink, &mut Alone) {}
    assert_eq!(sink.written, [key.index], "nothing since");
    assert!(hub.poll_effect().is_none());
    hub.handle_receive_ended(key);
    assert!(matches!(hub.poll_effect(), Some(Effect::Release(of)) if of == key));
    assert_eq!(hub.connections(), 0);
}
