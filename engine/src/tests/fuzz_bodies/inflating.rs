//! The body for compressed messages of clients.

use flate2::{Decompress, FlushDecompress, Status};

use super::Input;
use crate::wire::deflate::{InflateError, Inflater};

/// Behind every message: the tail that none carries, and an empty last block.
const END: [u8; 6] = [0, 0, 0xff, 0xff, 3, 0];

/// A limit in two bytes, then a message: inflated by an inflater of its own, by one that had
/// another message before, and by flate2.
pub fn inflate(data: &[u8]) {
    let mut input = Input(data);
    let (limit, payload) = (input.number(), input.0);
    let (mut fresh, mut used) = (Inflater::default(), Inflater::default());
    let _ = used.inflate(&payload[payload.len() / 2..], limit / 2);
    let ours = fresh.inflate(payload, limit);
    assert_eq!(used.inflate(payload, limit), ours, "a message by itself");
    if let Ok(plain) = ours {
        assert!(plain.len() <= limit);
    }
    match theirs(payload, limit) {
        Theirs::Whole(plain) => {
            // flate2 reads zeros where a block refers to what is before the message.
            let refers_back = ours == Err(InflateError::Corrupt) && plain.contains(&0);
            assert!(refers_back || ours == Ok(&*plain), "{ours:?}");
        }
        // It may be corrupt, too, further on: which is seen first is not said.
        Theirs::TooBig => assert!(ours.is_err()),
        Theirs::Corrupt(plain) => match ours {
            Ok(_) => panic!("flate2 does not read this"),
            Err(InflateError::TooBig(_)) => assert!(plain > limit),
            Err(InflateError::Corrupt) => {}
        },
        // What follows a block with BFINAL begins anew: flate2 stops there.
        Theirs::Ended(plain) => {
            let begins = |ours: &[u8]| ours.starts_with(&plain);
            assert!(ours.is_ok_and(begins) || ours.is_err());
        }
    }
}

/// What flate2 makes of a message.
enum Theirs {
    Whole(Vec<u8>),
    TooBig,
    /// After so many bytes.
    Corrupt(usize),
    Ended(Vec<u8>),
}

fn theirs(payload: &[u8], limit: usize) -> Theirs {
    let stream = [payload, &END].concat();
    let mut state = Decompress::new(false);
    let mut out = Vec::with_capacity(limit + 1_024);
    loop {
        let (taken, before) = (state.total_in() as usize, out.len());
        let read = state.decompress_vec(&stream[taken..], &mut out, FlushDecompress::Sync);
        let is_too_big = out.len() > limit;
        match read {
            Ok(Status::StreamEnd) if state.total_in() as usize == stream.len() && is_too_big => {
                return Theirs::TooBig;
            }
            Ok(Status::StreamEnd) if state.total_in() as usize == stream.len() => {
                return Theirs::Whole(out);
            }
            Ok(Status::StreamEnd) => return Theirs::Ended(out),
            Ok(_) if is_too_big => return Theirs::TooBig,
            Ok(_) if state.total_in() as usize > taken || out.len() > before => {}
            Ok(_) | Err(_) => return Theirs::Corrupt(out.len()),
        }
    }
}
