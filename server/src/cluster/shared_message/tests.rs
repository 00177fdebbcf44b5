use super::*;

#[test]
fn an_address_is_read_as_it_was_written() {
    for (service, name) in [("game", "room:1"), ("a.b", "x y.*>%"), ("ä", "\u{1}\u{10ffff}")] {
        let tail = Address::tail("state", service, name);
        let address = Address::parse(&tail).expect("an address");
        assert_eq!(address.kind, "state");
        assert_eq!((&*address.service, &*address.name), (service, name), "{tail}");
    }
}

#[test]
fn what_another_program_has_stored_has_no_address() {
    for tail in ["", "state", "state.game", "state.game.room.1", "state.game.%ff", "state.a.b c"] {
        assert_eq!(Address::parse(tail), None, "{tail}");
    }
}
