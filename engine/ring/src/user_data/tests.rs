use super::*;

#[test]
fn every_field_comes_back() {
    let key = SlotKey { index: u32::MAX - 1, generation: 0xfedc };
    for operation in [Operation::Receive, Operation::Poll, Operation::Shutdown] {
        let user_data = UserData::armed(operation, key);
        assert_eq!((user_data.kind(), user_data.key()), (Kind::Armed(operation), key));
    }
    let cancel = UserData::cancel(key);
    assert_eq!((cancel.kind(), cancel.key()), (Kind::Cancel, key));
    assert_eq!((UserData::control(7).kind(), UserData::control(7).slot()), (Kind::Control, 7));
    let send = UserData::send(255, 7);
    assert_eq!((send.kind(), send.entry(), send.slot()), (Kind::Send, 255, 7));
}
