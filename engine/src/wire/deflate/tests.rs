//! Negotiation, and both directions next to an independent deflate.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::*;

fn answer(header: &str) -> Option<String> {
    negotiate([header].into_iter()).map(|(_, answer)| answer)
}

fn agreed(header: &str) -> Deflate {
    negotiate([header].into_iter()).expect("an acceptable offer").0
}

const PLAIN_ANSWER: &str = "permessage-deflate; client_no_context_takeover";

#[test]
fn every_offer_is_answered_without_a_context_of_the_client() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=15; client_no_context_takeover",
        "Permessage-Deflate;client_max_window_bits=\"10\"",
        "x-webkit-deflate-frame, permessage-deflate",
        "foo; a=\"1, permessage-deflate; b\", permessage-deflate",
    ] {
        assert_eq!(answer(offer).as_deref(), Some(PLAIN_ANSWER), "{offer}");
        let deflate = agreed(offer);
        assert!(!deflate.is_twins_only() && deflate.window_bits() == DEFLATE_WINDOW_BITS);
    }
}

#[test]
fn the_servers_window_is_answered_only_where_it_is_offered() {
    for (offered, answered) in [(15, 12), (12, 12), (11, 11), (9, 9), (8, 8)] {
        let offer = format!("permessage-deflate; server_max_window_bits={offered}");
        let expected = format!("{PLAIN_ANSWER}; server_max_window_bits={answered}");
        assert_eq!(answer(&offer), Some(expected));
        assert_eq!(agreed(&offer).window_bits(), answered);
        assert_eq!(agreed(&offer).is_twins_only(), offered < 12);
        assert!(agreed(&offer).fits(1 << offered));
        assert_eq!(agreed(&offer).fits((1 << offered) + 1), offered >= 12);
    }
}

#[test]
fn a_client_that_forgets_gets_twins_only() {
    let offer = "permessage-deflate; server_no_context_takeover";
    assert_eq!(answer(offer), Some(format!("{PLAIN_ANSWER}; server_no_context_takeover")));
    assert!(agreed(offer).is_twins_only() && agreed(offer).fits(1 << 20));
}

#[test]
fn malformed_offers_are_declined() {
    for offer in [
        "",
        "permessage-bzip2",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=12; server_max_window_bits=12",
        "permessage-deflate; server_max_window_bits=\"12",
        "permessage-deflate; client_max_window_bits=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate;",
        "permessage-deflate; a=\", permessage-deflate",
    ] {
        assert_eq!(answer(offer), None, "{offer}");
    }
}

#[test]
fn the_first_acceptable_offer_is_taken() {
    let offers = "permessage-deflate; future=1, permessage-deflate; server_max_window_bits=10, \
                  permessage-deflate";
    assert_eq!(agreed(offers).window_bits(), 10);
    let lines = ["permessage-deflate; server_max_window_bits=0", "permessage-deflate"];
    assert_eq!(negotiate(lines.into_iter()).unwrap().1, PLAIN_ANSWER);
}

/// Texts of several kinds and lengths.
fn samples() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut samples = vec![Vec::new(), b"a".to_vec(), vec![b' '; 1 << 20]];
    for len in [1, 2, 20, 300, 4_096, 4_097, 70_000, 200_000] {
        samples.push((0..len).map(|_| random.u8(..)).collect());
        samples.push((0..len).map(|at| b"{\"price\":123,"[at % 13]).collect());
        samples.push((0..len).map(|_| random.u8(b'a'..=b'h')).collect());
    }
    samples
}

/// What miniz_oxide makes of payloads: an inflater that keeps its context between messages.
fn inflate_all(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut inflater = Decompress::new(false);
    let inflate_one = |payload: &Vec<u8>| {
        let (mut input, mut out) = ([payload.as_slice(), &TAIL].concat(), Vec::new());
        while !input.is_empty() {
            out.reserve(1 << 16);
            let before = inflater.total_in();
            inflater.decompress_vec(&input, &mut out, FlushDecompress::Sync).unwrap();
            input.drain(..(inflater.total_in() - before) as usize);
        }
        loop {
            let len = out.len();
            out.reserve(1 << 16);
            let _ = inflater.decompress_vec(&[], &mut out, FlushDecompress::Sync);
            if out.len() == len {
                return out;
            }
        }
    };
    payloads.iter().map(inflate_one).collect()
}

#[test]
fn another_inflater_reads_what_is_deflated_with_and_without_context() {
    let (mut once, mut shared) = (Deflater::once(), Deflater::new(6, DEFLATE_WINDOW_BITS));
    let plain = samples();
    let mut payloads = [Vec::new(), Vec::new()];
    for sample in &plain {
        let (mut twin, mut next) = (Vec::new(), b"kept".to_vec());
        once.deflate_once(sample, &mut twin);
        shared.deflate(sample, &mut next);
        assert!(next.starts_with(b"kept"));
        payloads[0].push(twin);
        payloads[1].push(next.split_off(4));
    }
    for payloads in payloads {
        assert!(inflate_all(&payloads) == plain);
    }
}

#[test]
fn a_window_of_its_size_inflates_what_is_deflated() {
    // zlib-rs's own inflater refuses distances beyond its window.
    for bits in 9..=DEFLATE_WINDOW_BITS {
        let mut deflater = Deflater::new(9, bits);
        for sample in samples() {
            let mut payload = Vec::new();
            deflater.deflate_once(&sample, &mut payload);
            payload.extend_from_slice(&TAIL);
            let (mut inflate, mut out) = (zlib_rs::Inflate::new(false, bits), vec![0; 1 << 21]);
            inflate.decompress(&payload, &mut out, zlib_rs::InflateFlush::SyncFlush).unwrap();
            assert!(out[..inflate.total_out() as usize] == sample);
        }
    }
}

/// What miniz_oxide makes of a message, as clients send it.
fn deflate(plain: &[u8], level: u32, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(2 * plain.len() + 100);
    compress.compress_vec(plain, &mut out, flush).unwrap();
    if matches!(flush, FlushCompress::Sync) {
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }
    out
}

#[test]
fn what_another_deflater_makes_is_inflated_up_to_the_limit() {
    let mut inflater = Inflater::default();
    for sample in samples() {
        for level in [0, 1, 6, 9] {
            let payload = deflate(&sample, level, FlushCompress::Sync);
            let len = sample.len();
            assert!(inflater.inflate(&payload, len) == Ok(&sample));
            assert!(inflater.inflate(&payload, len + 1) == Ok(&sample));
            if len > 0 {
                let refused = inflater.inflate(&payload, len - 1);
                assert_eq!(refused, Err(InflateError::TooBig(len as u64)));
            }
        }
    }
}

#[test]
fn blocks_with_bfinal_end_a_message_or_a_part_of_it() {
    let mut inflater = Inflater::default();
    // RFC 7692, 7.2.3.4, and the same without the empty block behind it.
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflater.inflate(&[&hello[..], &[0]].concat(), 5), Ok(&b"Hello"[..]));
    assert_eq!(inflater.inflate(&hello, 5), Ok(&b"Hello"[..]));
    let (one, two) = (deflate(b"one ", 6, FlushCompress::Finish), [hello, hello].concat());
    let parts = [&one[..], &two, &[0]].concat();
    assert_eq!(inflater.inflate(&parts, 100), Ok(&b"one HelloHello"[..]));
    let many = hello.repeat(FINAL_BLOCKS_TRIED);
    assert_eq!(inflater.inflate(&many, 1 << 20), Err(InflateError::Corrupt));
}

const FINAL_BLOCKS_TRIED: usize = crate::limits::FINAL_BLOCKS as usize + 1;

#[test]
fn what_is_no_whole_stream_is_refused_and_the_next_is_not() {
    let mut inflater = Inflater::default();
    let good = deflate(&[7; 300], 6, FlushCompress::Sync);
    let stored = deflate(b"some text that is stored", 0, FlushCompress::Sync);
    let wrong = [&[0xff; 20][..], &[0x07], b"hello", &stored[..stored.len() - 3], &good[..3]];
    for payload in wrong {
        assert_eq!(inflater.inflate(payload, 1 << 20), Err(InflateError::Corrupt), "{payload:?}");
        assert_eq!(inflater.inflate(&good, 300), Ok(&[7; 300][..]));
    }
    // Before there is a buffer, too.
    assert_eq!(Inflater::default().inflate(&[], 10), Err(InflateError::Corrupt));
    // Refers to what an earlier message had.
    let mut keeps = Deflater::new(6, 15);
    let mut payload = Vec::new();
    keeps.deflate(b"a text of some length", &mut payload);
    payload.clear();
    keeps.deflate(b"a text of some length", &mut payload);
    assert_eq!(inflater.inflate(&payload, 1 << 20), Err(InflateError::Corrupt));
}

#[test]
fn a_bomb_costs_its_limit_and_no_more() {
    let bomb = deflate(&vec![0; 64 << 20], 9, FlushCompress::Sync);
    let mut inflater = Inflater::default();
    assert!(matches!(inflater.inflate(&bomb, 1 << 20), Err(InflateError::TooBig(_))));
    assert!(inflater.held() <= (1 << 20) + 1);
    inflater.trim();
    assert_eq!(inflater.held(), 0);
}
