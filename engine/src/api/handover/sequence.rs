//! The order of a hand-over, as two machines without I/O: the predecessor is the process that
//! serves, the successor the one that is to. docs/HANDOVER.md has the order as a picture and what
//! a failure at each place means.
//!
//! The predecessor resumes whenever the successor has not said [`Kind::Taken`]. The successor takes
//! over when it is told [`Kind::Commit`], or when the predecessor has ended after handing it the
//! whole state. So at each moment at most one of them serves, and one does while one of them lives.

use std::time::Duration;

use crate::limits::{
    HANDOVER_COLLECT, HANDOVER_COMMIT, HANDOVER_HELLO, HANDOVER_PREPARE, HANDOVER_READY,
    HANDOVER_TAKEN,
};

/// What one process says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    /// Successor: which formats it reads, and for which services it is set up.
    Hello = 1,
    /// Predecessor: what the successor starts with; the listening sockets, and the logs so far.
    Base,
    /// Successor: its rings.
    Rings,
    /// Predecessor: it has stopped, and this is the state of all that goes over.
    State,
    /// Successor: it has read the state, and touched no connection.
    Ready,
    /// Predecessor: it will not serve these connections again if the answer is `Taken`.
    Commit,
    /// Successor: it serves them.
    Taken,
    /// Either: it will not go on, and why.
    Refused,
    /// Predecessor: connections and logs that go over before it stops receiving.
    Early,
    /// Successor: it has read these.
    Held,
}

impl Kind {
    pub(super) fn parse(byte: u8) -> Option<Kind> {
        use Kind::{Base, Commit, Early, Held, Hello, Ready, Refused, Rings, State, Taken};
        let all = [Hello, Base, Rings, State, Ready, Commit, Taken, Refused, Early, Held];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What is to be done next. Each is answered by an [`Input`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait for a message, so long at most: `Message`, `Closed` or `TimedOut`.
    Await(Duration),
    /// Send this: `Done` or `Failed`.
    Send(Kind),
    /// Do what this message asks for: `Done` or `Failed`.
    Work(Kind),
    /// End the other process at once, and wait until it has ended: `Done`.
    EndPeer,
    /// Find out whether the other process has ended: `Done` if so, else `Failed`.
    AskWhetherEnded,
    /// Serve from now on (the predecessor: again).
    Serve(Reason),
    /// Leave the connections to the other process.
    Leave(Reason),
}

/// What has come of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Message(Kind),
    /// The other end of the socket is closed, and all that it had sent is read.
    Closed,
    TimedOut,
    Done,
    Failed,
}

/// Why a hand-over ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// As it should.
    Taken,
    /// The predecessor has ended after it had handed over its whole state.
    PeerEnded,
    /// The other process has said why.
    PeerRefused,
    /// This process could not do its part, and has said why.
    OwnFault,
    /// The other process left while this was awaited.
    PeerLeft(Kind),
    /// The other process was silent while this was awaited.
    PeerSilent(Kind),
    /// The other process said something else than this.
    Unexpected(Kind),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Taken => write!(f, "the new process has taken over"),
            Reason::PeerEnded => write!(f, "the old process has ended behind its state"),
            Reason::PeerRefused => write!(f, "the other process refuses"),
            Reason::OwnFault => write!(f, "this process cannot go on"),
            Reason::PeerLeft(kind) => write!(f, "the other process has left before its {kind:?}"),
            Reason::PeerSilent(kind) => write!(f, "the other process is late with its {kind:?}"),
            Reason::Unexpected(kind) => {
                write!(f, "the other process said something else in the place of its {kind:?}")
            }
        }
    }
}

/// A part of a side's script.
#[derive(Clone, Copy, Debug)]
enum Part {
    Await(Kind, Duration),
    Work(Kind),
    Send(Kind),
}

/// Every part of the process that serves, in order. Behind the last it has left.
const PREDECESSOR: &[Part] = &[
    Part::Await(Kind::Hello, HANDOVER_HELLO),
    Part::Work(Kind::Hello),
    Part::Send(Kind::Base),
    Part::Await(Kind::Rings, HANDOVER_PREPARE),
    Part::Work(Kind::Rings),
    Part::Send(Kind::Early),
    Part::Await(Kind::Held, HANDOVER_READY),
    Part::Work(Kind::Held),
    Part::Send(Kind::State),
    Part::Await(Kind::Ready, HANDOVER_READY),
    Part::Send(Kind::Commit),
    Part::Await(Kind::Taken, HANDOVER_TAKEN),
];

/// Every part of the process that is to serve, in order. Behind the last it does.
const SUCCESSOR: &[Part] = &[
    Part::Send(Kind::Hello),
    Part::Await(Kind::Base, HANDOVER_PREPARE),
    Part::Work(Kind::Base),
    Part::Send(Kind::Rings),
    Part::Await(Kind::Early, HANDOVER_COLLECT),
    Part::Work(Kind::Early),
    Part::Send(Kind::Held),
    Part::Await(Kind::State, HANDOVER_COLLECT),
    Part::Work(Kind::State),
    Part::Send(Kind::Ready),
    Part::Await(Kind::Commit, HANDOVER_COMMIT),
    Part::Send(Kind::Taken),
];

/// Which of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Predecessor,
    Successor,
}

/// One side's place in the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sequence {
    side: Side,
    at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Part(usize),
    /// Says that it does not go on.
    Refusing(Reason),
    /// Predecessor: the successor may have taken over and been stopped before it could say so.
    EndingPeer,
    /// Predecessor: reads what the successor said before its end.
    LastWord,
    /// Successor: the socket is closed behind the whole state.
    Asking,
    Ended,
}

impl Sequence {
    /// A side at its beginning, and its first step.
    pub(super) fn begin(side: Side) -> (Sequence, Step) {
        let mut sequence = Sequence { side, at: Place::Part(0) };
        let step = sequence.enter(0);
        (sequence, step)
    }

    /// The next step, after what has come of the one before.
    ///
    /// # Panics
    /// Behind the last step.
    pub(super) fn handle(&mut self, input: Input) -> Step {
        match self.at {
            Place::Part(place) => self.handle_part(place, input),
            Place::Refusing(reason) => self.end(reason),
            Place::EndingPeer => self.go(Place::LastWord, Step::Await(Duration::ZERO)),
            Place::LastWord if input == Input::Message(Kind::Taken) => self.end(Reason::Taken),
            Place::LastWord => self.end(Reason::PeerSilent(Kind::Taken)),
            Place::Asking if input == Input::Done => self.end(Reason::PeerEnded),
            Place::Asking => self.end(Reason::PeerLeft(Kind::Commit)),
            Place::Ended => panic!("a hand-over goes on behind its end"),
        }
    }

    fn handle_part(&mut self, place: usize, input: Input) -> Step {
        let part = self.script()[place];
        match (part, input) {
            (Part::Await(awaited, _), Input::Message(kind)) if kind == awaited => {
                self.enter(place + 1)
            }
            (Part::Await(..), Input::Message(Kind::Refused)) => self.end(Reason::PeerRefused),
            (Part::Await(Kind::Taken, _), Input::TimedOut) => {
                self.go(Place::EndingPeer, Step::EndPeer)
            }
            (Part::Await(Kind::Commit, _), Input::Closed) => {
                self.go(Place::Asking, Step::AskWhetherEnded)
            }
            (Part::Await(awaited, _), Input::Closed) => self.end(Reason::PeerLeft(awaited)),
            (Part::Await(awaited, _), Input::TimedOut) => self.refuse(Reason::PeerSilent(awaited)),
            (Part::Await(awaited, _), _) => self.refuse(Reason::Unexpected(awaited)),
            (Part::Work(_), Input::Done) => self.enter(place + 1),
            (Part::Work(_), _) => self.refuse(Reason::OwnFault),
            // One that fails is followed by the peer's last word, or by the end of the socket.
            (Part::Send(_), _) => self.enter(place + 1),
        }
    }

    fn enter(&mut self, place: usize) -> Step {
        let Some(part) = self.script().get(place) else { return self.end(Reason::Taken) };
        let step = match *part {
            Part::Await(_, time) => Step::Await(time),
            Part::Work(kind) => Step::Work(kind),
            Part::Send(kind) => Step::Send(kind),
        };
        self.go(Place::Part(place), step)
    }

    fn refuse(&mut self, reason: Reason) -> Step {
        self.go(Place::Refusing(reason), Step::Send(Kind::Refused))
    }

    fn end(&mut self, reason: Reason) -> Step {
        let is_over = matches!(reason, Reason::Taken | Reason::PeerEnded);
        let serves = is_over == (self.side == Side::Successor);
        let step = if serves { Step::Serve(reason) } else { Step::Leave(reason) };
        self.go(Place::Ended, step)
    }

    fn go(&mut self, at: Place, step: Step) -> Step {
        self.at = at;
        step
    }

    fn script(&self) -> &'static [Part] {
        match self.side {
            Side::Predecessor => PREDECESSOR,
            Side::Successor => SUCCESSOR,
        }
    }
}

#[cfg(test)]
mod tests;
