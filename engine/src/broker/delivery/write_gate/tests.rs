use super::*;

#[test]
fn a_connection_is_written_once_per_batch() {
    let mut gate = WriteGate::new(4);
    gate.open(3);
    assert_eq!(gate.pass(3), Pass::Go);
    assert_eq!(gate.pass(3), Pass::Twice);
    gate.next_batch();
    assert_eq!(gate.pass(3), Pass::Go);
    assert_eq!(gate.pass(0), Pass::Shut);
}

#[test]
fn a_wrapped_batch_number_reopens_the_live_only() {
    let mut gate = WriteGate::new(4);
    gate.open(0);
    gate.open(1);
    gate.shut(1);
    gate.batch = SHUT - 1;
    assert_eq!(gate.pass(0), Pass::Go);
    gate.next_batch();
    assert_eq!(gate.pass(0), Pass::Go);
    assert_eq!(gate.pass(1), Pass::Shut);
}
