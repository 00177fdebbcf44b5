//! A channel's chain: it passes on exactly what the stream has, in order, or tells a gap.

mod held;

use bytes::Bytes;

use held::Held;

/// A message of a stream, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its position in the stream, from 1.
    pub(crate) seq: u64,
    /// The position of the channel's message that was stored before it and was still there then; 0
    /// where there was none, and where it is not known.
    pub(crate) prev: u64,
    /// When the stream's leader stored it: nanoseconds since 1970-01-01 UTC.
    pub(crate) time: u64,
    /// What was published.
    pub(crate) data: Bytes,
}

/// What a chain has decided, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Subscribers are to get this message; the one before it had this position.
    Deliver { prev: u64, message: Message },
    /// Messages behind `after` can no longer be had, up to `to`.
    Gap { after: u64, to: u64 },
    /// The chain begins behind this position: what is older is no matter of it.
    Begin { head: u64 },
}

/// What a chain waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// The channel's messages from this position on, this one included.
    Messages { from: u64 },
    /// The channel's newest position, of a replica that has the stream up to `floor`.
    Newest { floor: u64 },
    /// The channel's newest position of those up to this one, of a replica that has the stream so
    /// far.
    NewestTo { up_to: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The newest position is asked for, to begin behind it.
    Joining { floor: u64 },
    /// The newest position up to this one is asked for, to begin behind it: what the channel has
    /// behind that is wanted.
    JoiningBehind { up_to: u64 },
    /// Everything that is known of was delivered.
    Level,
    /// Messages are missing, and are read.
    Reading,
    /// A read has not brought them: either that replica is behind, or they are gone.
    Proving,
}

/// One channel of a stream on this node.
///
/// A message follows if the one before it was delivered (`prev <= last < seq`). Anything else newer
/// is held, and what is missing is read from the stream. A read begins with the last message that
/// was delivered: a stream drops its oldest messages first, so where that one is still there, none
/// behind it was dropped. Where it is not, and what is there is old enough or so much that others
/// may have been dropped, a gap is told.
#[derive(Debug)]
pub(crate) struct Chain {
    state: State,
    /// Everything up to here was delivered, told as a gap, or is older than the beginning.
    last: u64,
    /// The newest position that is known of.
    known: u64,
    /// The newest messages, each the follower of the one before it.
    held: Held,
    /// This node may have been out of touch: `prev = 0` is then no proof that nothing was missed.
    unsure: bool,
}

impl Chain {
    /// A chain that begins behind the newest message, as a replica has it that has the stream up to
    /// `floor`.
    pub(crate) fn joining(floor: u64) -> Chain {
        let state = State::Joining { floor };
        Chain { state, last: 0, known: 0, held: Held::default(), unsure: false }
    }

    /// A chain that begins behind the newest message of those up to a position.
    pub(crate) fn joining_behind(up_to: u64) -> Chain {
        let state = State::JoiningBehind { up_to };
        Chain { state, ..Chain::joining(0) }
    }

    /// A chain that begins behind this position, which the channel had last.
    pub(crate) fn begun(head: u64, steps: &mut Vec<Step>) -> Chain {
        let mut chain = Chain::joining(0);
        chain.begin(head, steps);
        chain
    }

    /// It begins behind this position, with what it holds that follows.
    fn begin(&mut self, head: u64, steps: &mut Vec<Step>) {
        (self.state, self.last, self.known) = (State::Level, head, self.known.max(head));
        steps.push(Step::Begin { head });
        self.drain(steps);
        self.settle();
    }

    /// A chain that goes on behind a position up to which everything was delivered. The channel is
    /// known to have something up to `known`.
    pub(crate) fn going_on((last, known): (u64, u64), unsure: bool) -> Chain {
        let mut chain = Chain { state: State::Level, last, known, unsure, ..Chain::joining(0) };
        chain.settle();
        chain
    }

    /// The position up to which everything that is known of was delivered, if not all was; where it
    /// has not begun, the one behind which it is to begin.
    pub(crate) fn behind(&self) -> Option<u64> {
        match self.state {
            State::Level => None,
            State::JoiningBehind { up_to } => Some(up_to),
            State::Joining { .. } | State::Reading | State::Proving => Some(self.last),
        }
    }

    /// One that has not begun is to begin no later than behind this position.
    pub(crate) fn join_behind(&mut self, up_to: u64) {
        if matches!(self.state, State::Joining { .. }) {
            self.state = State::JoiningBehind { up_to };
        }
    }

    /// One that was to begin so begins behind its newest message, as any other does.
    pub(crate) fn join_anew(&mut self, floor: u64) {
        if matches!(self.state, State::JoiningBehind { .. }) {
            self.state = State::Joining { floor };
        }
    }

    /// What it waits for; `None` while it is level.
    pub(crate) fn want(&self) -> Option<Want> {
        match self.state {
            State::Level => None,
            State::Joining { floor } => Some(Want::Newest { floor }),
            State::JoiningBehind { up_to } => Some(Want::NewestTo { up_to }),
            State::Reading => Some(Want::Messages { from: self.last }),
            State::Proving => Some(Want::Newest { floor: self.target() }),
        }
    }

    /// Whether it has begun: before, audits have nothing to compare.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.state, State::Joining { .. } | State::JoiningBehind { .. })
    }

    /// The position up to which subscribers were served.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Bytes of the messages that it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// A message arrives as it is published.
    pub(crate) fn handle_live(&mut self, message: Message, steps: &mut Vec<Step>) {
        if self.has_begun() && message.seq <= self.last {
            return;
        }
        self.known = self.known.max(message.seq);
        if self.has_begun() && self.follows(&message) {
            self.deliver(message, steps);
            self.drain(steps);
        } else {
            self.held.push(message);
        }
        self.settle();
    }

    /// The stream has a message at this position, as an audit has found.
    pub(crate) fn handle_found(&mut self, seq: u64) {
        self.known = self.known.max(seq);
        self.settle();
    }

    /// An audit has found nothing newer, up to a position that the answering replica has.
    pub(crate) fn handle_nothing_found(&mut self) {
        self.unsure &= self.state != State::Level;
    }

    /// An audit has found nothing of the channel at all, and what was stored since the one before
    /// it may be gone: everything up to `to`.
    pub(crate) fn handle_all_gone(&mut self, to: u64, steps: &mut Vec<Step>) {
        if !self.has_begun() || to <= self.last {
            return;
        }
        self.pass_gap(to, steps);
        self.drain(steps);
        self.settle();
    }

    /// This node was out of touch with the stream.
    pub(crate) fn handle_out_of_touch(&mut self) {
        self.unsure = true;
        self.held.clear();
    }

    /// The same, where what it may have missed may be gone by now.
    pub(crate) fn doubt_if(&mut self, is_late: bool) {
        if is_late {
            self.handle_out_of_touch();
        }
    }

    /// The answer to [`Want::Messages`]: those of the channel from `from` on, in order, as one
    /// replica has them. They are `whole` if the stream cannot have dropped any of them yet, unless
    /// this node was out of touch. Returns whether it has brought anything.
    pub(crate) fn handle_messages(
        &mut self,
        (from, whole): (u64, bool),
        messages: Vec<Message>,
        steps: &mut Vec<Step>,
    ) -> bool {
        if self.state != State::Reading {
            return true;
        }
        let before = self.last;
        let mut is_unbroken = whole && !self.unsure;
        for message in messages {
            if message.seq > self.last {
                if !is_unbroken && message.seq - 1 > self.last {
                    self.pass_gap(message.seq - 1, steps);
                }
                self.deliver(message, steps);
                is_unbroken = true;
            } else {
                is_unbroken |= message.seq == from;
            }
        }
        if self.last == before {
            self.state = State::Proving;
            return false;
        }
        self.drain(steps);
        self.settle();
        true
    }

    /// The answer to [`Want::Newest`]: the channel's newest position, if it has any message, as a
    /// replica has it that has the stream up to `up_to`. Returns whether that was far enough.
    pub(crate) fn handle_newest(
        &mut self,
        newest: Option<u64>,
        up_to: u64,
        steps: &mut Vec<Step>,
    ) -> bool {
        let newest = newest.unwrap_or(0);
        match self.state {
            State::Joining { floor } if up_to >= floor => {
                self.begin(newest, steps);
                return true;
            }
            State::Proving if newest > self.last => {
                self.known = self.known.max(newest);
                self.state = State::Reading;
                return true;
            }
            State::Proving if up_to >= self.target() => {
                let target = self.target();
                if target > self.last {
                    self.pass_gap(target, steps);
                }
            }
            State::Joining { .. } | State::JoiningBehind { .. } | State::Proving => return false,
            State::Level | State::Reading => return true,
        }
        self.drain(steps);
        self.settle();
        true
    }

    /// The answer to [`Want::NewestTo`] with this position: the newest of the channel up to it.
    /// Returns whether it was asked for.
    pub(crate) fn handle_newest_to(
        &mut self,
        (newest, up_to): (Option<u64>, u64),
        steps: &mut Vec<Step>,
    ) -> bool {
        if self.state != (State::JoiningBehind { up_to }) {
            return false;
        }
        self.begin(newest.unwrap_or(0), steps);
        true
    }

    /// The stream is known to have so much: where a chain has not begun, a replica that has less
    /// cannot say where.
    pub(crate) fn raise_floor(&mut self, to: u64) {
        if let State::Joining { floor } = &mut self.state {
            *floor = to.max(*floor);
        }
    }

    /// The stream has begun another life: what was delivered says nothing about it.
    pub(crate) fn restart(&mut self, floor: u64) {
        *self = Chain::joining(floor);
    }

    /// Lets go of what it holds: the stream has it.
    pub(crate) fn drop_held(&mut self) {
        self.held.clear();
    }

    /// Whether nothing lies between what was delivered and this message.
    fn follows(&self, message: &Message) -> bool {
        let is_next = message.prev == self.last && self.last > 0;
        is_next || (!self.unsure && message.prev <= self.last)
    }

    /// The position up to which reading has to come.
    fn target(&self) -> u64 {
        let first = self.held.first().map_or(0, |message| message.prev);
        if first > self.last { first } else { self.known }
    }

    fn deliver(&mut self, message: Message, steps: &mut Vec<Step>) {
        let prev = std::mem::replace(&mut self.last, message.seq);
        self.known = self.known.max(message.seq);
        self.unsure = false;
        steps.push(Step::Deliver { prev, message });
    }

    fn pass_gap(&mut self, to: u64, steps: &mut Vec<Step>) {
        let after = std::mem::replace(&mut self.last, to);
        self.unsure = false;
        steps.push(Step::Gap { after, to });
    }

    /// Delivers what is held, as far as it follows.
    fn drain(&mut self, steps: &mut Vec<Step>) {
        while let Some(first) = self.held.first() {
            let is_old = first.seq <= self.last;
            if !is_old && !self.follows(first) {
                break;
            }
            let Some(message) = self.held.pop() else { break };
            if !is_old {
                self.deliver(message, steps);
            }
        }
    }

    fn settle(&mut self) {
        if !self.has_begun() {
            return;
        }
        if self.held.is_empty() && self.known <= self.last {
            self.state = State::Level;
        } else if self.state == State::Level {
            self.state = State::Reading;
        }
    }
}

#[cfg(test)]
mod tests;
