//! One side of a hand-over: the sequence, carried out on its link.

use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::{fmt, io};

use uringcast_ring::PeerProcess;

use super::peer_link::{Link, Message, NoMessage};
use super::sequence::{Input, Kind, Reason, Sequence, Side, Step};
use crate::limits::HANDOVER_ENDED;

/// A side's talk with the other process.
#[derive(Debug)]
pub(super) struct Conversation {
    link: Link,
    peer: PeerProcess,
    sequence: Sequence,
}

/// How a hand-over has ended.
#[derive(Debug)]
pub(super) struct End {
    /// Whether this process serves the connections from now on.
    pub serves: bool,
    pub reason: Reason,
    /// What the process has said that refuses.
    pub refusal: Option<String>,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Some(refusal) => f.write_str(refusal),
            None => self.reason.fmt(f),
        }
    }
}

/// What this side says, with the kind that is due.
#[derive(Default)]
pub(super) struct Words<'a> {
    pub body: &'a [u8],
    pub descriptors: &'a [BorrowedFd<'a>],
}

impl Conversation {
    /// Begins on a connected socket. `greeting` is what the successor says first.
    ///
    /// # Errors
    /// The socket's, and those of [`PeerProcess::of`].
    pub(super) fn begin(
        socket: UnixStream,
        side: Side,
        greeting: Words<'_>,
    ) -> io::Result<Result<(Conversation, Message), End>> {
        let peer = PeerProcess::of(&socket)?;
        let (sequence, step) = Sequence::begin(side);
        let mut conversation = Conversation { link: Link::new(socket)?, peer, sequence };
        Ok(conversation.go_on(step, greeting).map(|message| (conversation, message)))
    }

    /// This side has done its work, which the last message asked for, and says `words`. Returns the
    /// next message that asks for work.
    ///
    /// # Errors
    /// The end of the hand-over, also if that is a good one.
    pub(super) fn done(&mut self, words: Words<'_>) -> Result<Message, End> {
        let step = self.sequence.handle(Input::Done);
        self.go_on(step, words)
    }

    /// This side could not do its work, for this reason, which the other process is told.
    pub(super) fn failed(&mut self, why: &str) -> End {
        let step = self.sequence.handle(Input::Failed);
        match self.go_on(step, Words { body: why.as_bytes(), ..Words::default() }) {
            Ok(_) => unreachable!("nothing is left to do behind a refusal"),
            Err(end) => End { refusal: Some(why.to_owned()), ..end },
        }
    }

    /// Takes steps until one needs work.
    fn go_on(&mut self, mut step: Step, words: Words<'_>) -> Result<Message, End> {
        let (mut last, mut refusal, mut words) = (None, None, Some(words));
        loop {
            let input = match step {
                Step::Await(time) => match self.link.receive(time) {
                    Ok(message) => {
                        if message.kind == Kind::Refused {
                            let text = String::from_utf8_lossy(&message.body).into_owned();
                            refusal = Some(text).filter(|text| !text.is_empty());
                        }
                        let kind = message.kind;
                        last = Some(message);
                        Input::Message(kind)
                    }
                    Err(NoMessage::TimedOut) => Input::TimedOut,
                    Err(NoMessage::Closed) => Input::Closed,
                    // As bad as silence: the peer may be alive, and what it has done is unknown.
                    Err(NoMessage::Broken(error)) => {
                        tracing::warn!(%error, "the socket of a hand-over fails");
                        Input::TimedOut
                    }
                },
                Step::Send(kind) => match self.send(kind, words.take()) {
                    Ok(()) => Input::Done,
                    Err(error) => {
                        tracing::debug!(%error, ?kind, "a message of a hand-over is not sent");
                        Input::Failed
                    }
                },
                Step::Work(_) => {
                    return Ok(last.expect("work follows the message that asks for it"));
                }
                Step::EndPeer => {
                    // Fails only where it has ended. One that is killed says nothing more.
                    let _ = self.peer.kill();
                    self.peer.has_ended_within(HANDOVER_ENDED);
                    Input::Done
                }
                Step::AskWhetherEnded => match self.peer.has_ended_within(HANDOVER_ENDED) {
                    true => Input::Done,
                    false => Input::Failed,
                },
                Step::Serve(reason) => return Err(End { serves: true, reason, refusal }),
                Step::Leave(reason) => return Err(End { serves: false, reason, refusal }),
            };
            step = self.sequence.handle(input);
        }
    }

    fn send(&self, kind: Kind, words: Option<Words<'_>>) -> io::Result<()> {
        let Words { body, descriptors } = words.unwrap_or_default();
        self.link.send(kind, body, descriptors)
    }

    /// The other process.
    pub(super) fn peer(&self) -> &PeerProcess {
        &self.peer
    }
}
