//! Audits: what their answers say of the stream's life, and of what channels lack.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::audits::{Audit, Stage, Verified};
use super::channels::retry_after;
use super::coverage::Coverage;
use super::life::{Life, Verdict};
use super::{Answer, Event, StreamInfo, StreamView};
use crate::limits::{AUDIT_TRIES, NEWEST_CHANNELS};

impl StreamView {
    /// An audit's question is answered: it goes a step on, or asks again later.
    pub(super) fn handle_audit(&mut self, now: Duration, mut audit: Audit, answer: Answer) {
        audit.asked = None;
        let retry = audit.retry.take();
        let is_done = match (&audit.stage, answer) {
            (Stage::Info | Stage::NextEpoch, Answer::Info(info)) => {
                if self.handle_info(now, &mut audit, info) {
                    return;
                }
                // Behind: an old leader, perhaps; ask again.
                audit.stage != Stage::Info
            }
            (Stage::Life(anchor), Answer::TimeAt(time)) => {
                let is_same = time.is_none_or(|time| time == anchor.time);
                if let Some(life) = self.life.as_mut().filter(|_| is_same) {
                    life.confirm(*anchor);
                }
                audit.stage = if is_same { Stage::Channels } else { Stage::NextEpoch };
                true
            }
            // What was behind then may be level now, or again.
            (Stage::Info, _) => {
                self.life.iter_mut().for_each(Life::forget_behind);
                false
            }
            (Stage::Channels, _) if self.is_late(now) && !audit.is_late => {
                return self.audits.restart(now);
            }
            (Stage::Channels, Answer::Newest { newest, up_to }) => {
                let is_believed = up_to >= audit.floor;
                self.channels.counts.stale += u64::from(!is_believed);
                if is_believed {
                    self.compare(&mut audit, &newest);
                }
                is_believed
            }
            _ => false,
        };
        if !is_done {
            let tries = retry.map_or(0, |(_, tries)| tries);
            if tries >= AUDIT_TRIES && audit.stage != Stage::Info {
                // No replica has what was known: the leader is asked again what there is.
                return self.audits.restart(now);
            }
            audit.retry = Some((now + retry_after(tries), tries + 1));
        }
        let is_finished = audit.stage == Stage::Channels && audit.channels.is_empty();
        self.audits.current = Some(audit);
        if is_finished {
            self.was_out_of_touch = false;
            self.channels.counts.audits += 1;
            // By now what was on its way has come.
            if let Some(floor) = self.audits.finish() {
                self.coverage.handle_known(floor);
            }
        }
    }

    /// What the leader says of the stream. Returns whether the audit has ended by it.
    fn handle_info(&mut self, now: Duration, audit: &mut Audit, info: StreamInfo) -> bool {
        let floor = self.floor;
        let verdict = match &mut self.life {
            None => Verdict::Other,
            Some(life) => life.compare(&info, floor, now),
        };
        match verdict {
            Verdict::Other => {
                self.begin_life(now, info);
                self.audits.restart(now);
                return true;
            }
            Verdict::Behind => audit.stage = Stage::Info,
            Verdict::RolledBack => audit.stage = Stage::NextEpoch,
            Verdict::Same => self.compare_channels(now, audit, info),
        }
        false
    }

    /// The stream is in the life that is known: its channels are compared next.
    fn compare_channels(&mut self, now: Duration, audit: &mut Audit, info: StreamInfo) {
        self.floor = self.floor.max(info.last_seq);
        audit.floor = self.floor;
        let verified = self.audits.verified;
        let is_dropped = verified.is_some_and(|verified| info.first_seq > verified.floor + 1);
        audit.is_late = is_dropped || self.is_late(now);
        audit.channels = self.channels.begun();
        // An audit compares only those.
        self.channels.change_all(|chain| chain.raise_floor(audit.floor));
        let anchor = self.life.as_ref().and_then(Life::anchor);
        audit.stage = anchor.map_or(Stage::Channels, Stage::Life);
    }

    pub(super) fn begin_life(&mut self, now: Duration, info: StreamInfo) {
        self.channels.counts.restarts += u64::from(self.life.is_some());
        // All of a stream that was made anew is new.
        let is_new = self.life.as_ref().is_some_and(|life| life.created() != info.created);
        let seen = if is_new { info.first_seq.saturating_sub(1) } else { info.last_seq };
        self.coverage = Coverage::begin(seen);
        self.coverage.handle_known(info.last_seq);
        self.life = Some(Life::new(&info));
        self.inherited.begin_life(seen);
        self.floor = info.last_seq;
        self.audits.verified = Some(Verified { floor: info.last_seq, at: now });
        self.was_out_of_touch = false;
        self.questions.forget_all();
        self.channels.events.push_back(Event::Epoch(info.epoch));
        self.channels.restart(self.floor);
        self.begin_watched();
    }

    /// Compares the newest positions of those channels that were asked about last.
    fn compare(&mut self, audit: &mut Audit, newest: &HashMap<Arc<str>, u64>) {
        let first = audit.channels.len().saturating_sub(NEWEST_CHANNELS);
        for channel in audit.channels.drain(first..) {
            let mut is_find = false;
            self.channels.change(&channel, |chain, steps| match newest.get(&channel) {
                Some(seq) if *seq > chain.last() => {
                    is_find = chain.want().is_none();
                    chain.handle_found(*seq);
                }
                None if audit.is_late => chain.handle_all_gone(audit.floor, steps),
                _ => chain.handle_nothing_found(),
            });
            self.channels.counts.finds += u64::from(is_find);
        }
    }
}
