//! A node that follows channels of the stream.

use std::collections::HashMap;
use std::sync::Arc;

use super::met::Met;
use super::patterns::Patterns;
use super::stream::Stream;
use super::witness::Witness;
use crate::cluster::stream_view::{Kept, StreamView};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) view: StreamView,
    pub(super) witnesses: HashMap<Arc<str>, Witness>,
    pub(super) is_connected: bool,
    pub(super) epoch: u64,
    /// Its patterns, once nothing of them is missed.
    pub(super) patterns: Option<Patterns>,
    /// Those that it is about to have.
    pub(super) wanted: Option<&'static [&'static str]>,
}

impl Node {
    pub(super) fn new(kept: Kept) -> Node {
        let (view, witnesses) = (StreamView::new(kept), HashMap::new());
        let (is_connected, epoch, patterns, wanted) = (true, 0, None, None);
        Node { view, witnesses, is_connected, epoch, patterns, wanted }
    }

    /// At the end, when the stream is at rest and was audited.
    pub(super) fn finish(&self, stream: &Stream, met: &mut Met) {
        let has = stream.last_seq;
        assert_eq!(self.epoch, stream.epoch, "the life of the stream, which has {has}");
        self.witnesses.values().for_each(|witness| witness.finish(stream));
        self.patterns.iter().for_each(|patterns| patterns.finish(stream));
        let counts = self.view.counts();
        met.count("holes", counts.holes);
        met.count("fills", counts.fills);
        met.count("finds", counts.finds);
        met.count("stale answers", counts.stale);
        met.count("audits", counts.audits);
        met.count("lives", counts.restarts);
        met.count("missed by patterns", counts.missed);
    }
}
