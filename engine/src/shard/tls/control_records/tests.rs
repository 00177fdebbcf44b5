use super::*;

#[test]
fn records_are_classified_by_their_rfcs() {
    for (kind, bytes, tls13, record) in [
        (23, &b"x"[..], true, ControlRecord::Data),
        (21, &[1, 0], true, ControlRecord::CloseNotify),
        (21, &[1, 90], true, ControlRecord::Ignore),
        (21, &[2, 40], true, ControlRecord::FatalAlert),
        (21, &[1, 41], true, ControlRecord::FatalAlert),
        (21, &[1, 41], false, ControlRecord::Ignore),
        (21, &[1], true, ControlRecord::Refuse(DECODE_ERROR)),
        (21, &[], true, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
        (22, &[24, 0, 0, 1, 0], true, ControlRecord::KeyUpdate { answer: false }),
        (22, &[24, 0, 0, 1, 1], true, ControlRecord::KeyUpdate { answer: true }),
        (22, &[24, 0, 0, 1, 2], true, ControlRecord::Refuse(ILLEGAL_PARAMETER)),
        (22, &[24, 0, 0, 1, 2], false, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
        (22, &[24, 0, 0, 1, 0, 24], true, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
        (22, &[24, 0, 0, 1, 0], false, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
        (22, &[1, 0, 0, 9], false, ControlRecord::Refuse(NO_RENEGOTIATION)),
        (22, &[1, 0, 0, 9], true, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
        (20, &[1], true, ControlRecord::Refuse(UNEXPECTED_MESSAGE)),
    ] {
        assert_eq!(ControlRecord::parse(kind, bytes, tls13), record, "{kind} {bytes:?} {tls13}");
    }
}
