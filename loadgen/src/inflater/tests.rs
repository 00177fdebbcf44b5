use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::*;

/// Compresses messages one after the other as a server does.
fn deflated(state: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() * 2 + 100);
    state.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - TAIL.len());
    out
}

fn agreed(extensions: &str) -> Inflater {
    Inflater::agreed(extensions, 1 << 20).unwrap().unwrap()
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(
        messages in prop::collection::vec("[ab]{0,9000}", 1..6), anew in any::<bool>(),
    ) {
        let answer = if anew { "permessage-deflate; server_no_context_takeover" }
            else { "permessage-deflate" };
        let (mut inflater, mut state) = (agreed(answer), Compress::new(Compression::fast(), false));
        for message in messages {
            let payload = deflated(&mut state, message.as_bytes());
            prop_assert_eq!(inflater.inflate(&payload).unwrap(), message.as_bytes());
            if anew {
                state.reset();
            }
        }
    }
}

#[test]
fn a_second_message_may_refer_to_the_first() {
    let (mut inflater, mut state) =
        (agreed("permessage-deflate"), Compress::new(Compression::best(), false));
    let message: Vec<u8> = (0..2_000_u32).map(|place| (place * place % 251) as u8).collect();
    let first = deflated(&mut state, &message);
    let second = deflated(&mut state, &message);
    assert!(second.len() < first.len() / 4, "{} after {}", second.len(), first.len());
    assert_eq!(inflater.inflate(&first).unwrap(), message);
    assert_eq!(inflater.inflate(&second).unwrap(), message);
}

#[test]
fn an_answer_is_what_was_offered_or_none() {
    assert!(Inflater::agreed("", 1).unwrap().is_none());
    assert!(agreed("permessage-deflate; server_no_context_takeover").anew);
    assert!(!agreed("permessage-deflate;server_max_window_bits=10").anew);
    for bad in ["x", "permessage-deflate; client_max_window_bits=9", "permessage-deflate, x"] {
        assert!(Inflater::agreed(bad, 1).is_err(), "{bad}");
    }
}

#[test]
fn bombs_and_rubbish_are_refused() {
    let bomb = deflated(&mut Compress::new(Compression::best(), false), &vec![0; 3 << 20]);
    assert!(bomb.len() < 10_000);
    assert!(agreed("permessage-deflate").inflate(&bomb).unwrap_err().contains("longer"));
    assert!(agreed("permessage-deflate").inflate(&[0xff; 20]).is_err());
}
