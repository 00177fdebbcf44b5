use super::*;

fn keys(anchor: &str) -> (TicketKeys, Arc<Ticketer>) {
    let keys = TicketKeys::default();
    keys.of(vec![anchor.into()]).unwrap();
    let ticketer = Arc::clone(&keys.0.lock().as_ref().unwrap().ticketer);
    (keys, ticketer)
}

#[test]
fn a_ticket_opens_until_its_key_is_forgotten() {
    let (now, (_, ticketer)) = (Instant::now(), keys("ca"));
    let ticket = ticketer.seal(b"session", now).unwrap();
    let at = |lives: u32| now + TICKET_KEY_LIFE * lives + Duration::from_secs(1);
    assert_eq!(ticketer.open(&ticket, now).unwrap(), b"session");
    // The key is replaced, and opens still what it has sealed.
    let next = ticketer.seal(b"other", at(1)).unwrap();
    assert_ne!(next[..NAME], ticket[..NAME]);
    assert_eq!(ticketer.open(&ticket, at(1)).unwrap(), b"session");
    assert_eq!(ticketer.open(&ticket, at(2)), None);
    assert_eq!(ticketer.open(&next, at(2)).unwrap(), b"other");
}

#[test]
fn what_is_no_ticket_is_none() {
    let (now, (_, ticketer)) = (Instant::now(), keys("ca"));
    let ticket = ticketer.seal(b"session", now).unwrap();
    for place in 0..ticket.len() {
        let mut damaged = ticket.clone();
        damaged[place] ^= 1;
        assert_eq!(ticketer.open(&damaged, now), None, "{place}");
        assert_eq!(ticketer.open(&ticket[..place], now), None, "{place}");
    }
    assert_eq!(keys("ca").1.open(&ticket, now), None, "another server's");
}

#[test]
fn another_process_opens_tickets_where_it_trusts_the_same() {
    let (now, (ours, ticketer)) = (Instant::now(), keys("ca"));
    let ticket = ticketer.seal(b"session", now).unwrap();
    ticketer.rotate(now + TICKET_KEY_LIFE);
    let bytes = ours.to_bytes();
    let (theirs, opener) = keys("ca");
    theirs.take_over(bytes.expose(), now).unwrap();
    assert_eq!(opener.open(&ticket, now).unwrap(), b"session");
    let back = opener.seal(b"back", now).unwrap();
    assert_eq!(ticketer.open(&back, now).unwrap(), b"back");
    let (others, opener) = keys("other ca");
    others.take_over(bytes.expose(), now).unwrap();
    assert_eq!(opener.open(&ticket, now), None);
    assert!(opener.seal(b"own", now).is_some());
    theirs.take_over(&bytes.expose()[1..], now).unwrap_err();
}

#[test]
fn secrets_are_not_printed() {
    let (_, ticketer) = keys("ca");
    assert_eq!(format!("{ticketer:?}").matches("TicketKey { .. }").count(), 1);
}
