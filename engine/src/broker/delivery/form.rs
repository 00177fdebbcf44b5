//! The form in which a subscriber is written a channel's frames. The logs keep WebSocket frames; an
//! event is written from one when it is sent, once for all members of a sweep that it is for.

use std::rc::Rc;

use super::laggard::{Cursor, Laggard};
use super::write_sink::Payload;
use crate::broker::channel::{Channels, Sweep};
use crate::shared_frame::{Deflation, Frame};
use crate::types::{ChannelIndex, ChannelName, Encoding, Epoch, Seq, Transport};
use crate::wire::event_stream::{self, Id, Position};

/// An encoding of a channel's frames, with what it takes to make it.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    encoding: Encoding,
    /// How WebSocket frames are compressed in it.
    deflation: Deflation,
    channel: &'a ChannelName,
    epoch: Epoch,
    /// Positions of the subscriber in other channels, in front of the one of an event.
    others: &'a [u8],
}

impl<'a> Form<'a> {
    pub(super) fn new(channels: &'a Channels, channel: ChannelIndex, encoding: Encoding) -> Self {
        let (epoch, channel) = (channels.log(channel).epoch(), channels.name(channel));
        Form { encoding, deflation: Deflation::Plain, channel, epoch, others: &[] }
    }

    /// The same with WebSocket frames compressed in this way.
    pub(super) fn deflated(self, deflation: Deflation) -> Self {
        Form { deflation, ..self }
    }

    /// That of a subscriber.
    pub(super) fn of(channels: &'a Channels, connection: u32, channel: ChannelIndex) -> Self {
        Form::new(channels, channel, channels.encoding_of(connection, channel))
    }

    /// The same of a subscriber that is at these positions in other channels.
    pub(super) fn beside(self, others: &'a [u8]) -> Self {
        Form { others, ..self }
    }

    /// What it is written by.
    pub(super) fn transport(&self) -> Transport {
        self.encoding.transport()
    }

    fn id(&self, seq: Seq) -> Id<'a> {
        let Form { channel, epoch, others, .. } = *self;
        Id { others, position: Position { channel, epoch, seq } }
    }

    /// Bytes of a frame in it.
    pub(super) fn len(&self, frame: &Frame) -> usize {
        match self.encoding {
            Encoding::Plain | Encoding::Deflating => frame.encoded(self.deflation).len(),
            Encoding::Event | Encoding::JointEvent => {
                event_stream::event_len(Some(&self.id(frame.seq)), frame.text())
            }
        }
    }

    /// Appends a frame in it.
    pub(super) fn append(&self, frame: &Frame, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Plain | Encoding::Deflating => {
                out.extend_from_slice(frame.encoded(self.deflation));
            }
            Encoding::Event | Encoding::JointEvent => {
                event_stream::event(Some(&self.id(frame.seq)), frame.text(), out);
            }
        }
    }

    /// A frame in it but for its first bytes.
    pub(super) fn rest(&self, frame: &Rc<Frame>, taken: usize) -> Payload {
        match (self.encoding.is_event(), self.deflation) {
            (false, Deflation::Plain) => return Payload::Frame(frame.clone(), taken),
            (false, deflation) => return Payload::Encoded(frame.clone(), deflation, taken),
            (true, _) => {}
        }
        let mut rest = Vec::new();
        self.append(frame, &mut rest);
        rest.drain(..taken);
        Payload::Owned(rest)
    }

    /// A message for one subscriber, encoded as a WebSocket frame, that brings it to a position.
    pub(super) fn message(&self, frame: Vec<u8>, seq: Seq) -> Vec<u8> {
        match self.encoding {
            Encoding::Plain | Encoding::Deflating => frame,
            Encoding::Event | Encoding::JointEvent => {
                event_stream::of_frame(Some(&self.id(seq)), &frame)
            }
        }
    }
}

/// The positions of a subscriber in the other channels that it reads than the one that is next, as
/// its events have them in front, if they do.
pub(super) fn positions_beside(channels: &Channels, connection: u32, laggard: &Laggard) -> Vec<u8> {
    let next = laggard.cursors[laggard.next_cursor].channel;
    if channels.encoding_of(connection, next) != Encoding::JointEvent {
        return Vec::new();
    }
    let others = laggard.cursors.iter().filter(|cursor| cursor.channel != next);
    let position = |cursor: &Cursor| Position {
        channel: channels.name(cursor.channel),
        epoch: channels.log(cursor.channel).epoch(),
        seq: Seq(cursor.next.0 - 1),
    };
    event_stream::positions_before(&others.map(position).collect::<Vec<_>>())
}

/// Bytes of a sweep in an encoding; without one, at most in any.
pub(super) fn bytes_of(
    channels: &Channels,
    channel: ChannelIndex,
    encoding: Option<Encoding>,
    sweep: Sweep,
) -> usize {
    let log = channels.log(channel);
    if encoding.is_some_and(|encoding| !encoding.is_event()) {
        return log.bytes_of(sweep.from, sweep.to);
    }
    // Events with their ids are the longest.
    let form = Form::new(channels, channel, Encoding::Event);
    log.range(sweep.from, sweep.to).map(|(frame, _)| form.len(frame)).sum()
}
