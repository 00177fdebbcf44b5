use std::rc::Rc;

use super::*;
use crate::config::{ChannelClass, Retention};
use crate::types::{Epoch, Seq, Time};

#[test]
fn a_late_index_does_not_find_the_next_channel_in_its_slot() {
    let mut table = Table::default();
    let name = |text| ChannelName::parse(text).unwrap();
    let class = Rc::new(ChannelClass::of(&[], Retention::default()));
    let channel = |text| Channel::new(name(text), Rc::clone(&class), (Epoch(1), Seq(0)), Time(0));
    let first = table.add(channel("a"));
    assert!(table.get(first).is_some());
    table.remove(first);
    let second = table.add(channel("b"));
    assert_eq!(first.slot(), second.slot());
    assert!(table.get(first).is_none() && table.remove(first).is_none());
    assert_eq!((table.find(&name("a")), table.find(&name("b"))), (None, Some(second)));
}
