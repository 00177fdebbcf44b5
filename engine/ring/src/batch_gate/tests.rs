use super::*;

#[test]
fn a_slot_passes_once_a_batch_also_when_the_number_wraps() {
    let mut gate = WriteGate::new();
    assert!(gate.pass(3) && !gate.pass(3) && gate.pass(0));
    gate.batch = u32::MAX;
    assert!(gate.pass(3) && !gate.pass(3));
    gate.next_batch();
    assert!(gate.pass(3) && !gate.pass(3) && gate.pass(0));
}
