//! The form in which a subscriber is written a channel's frames. The logs keep WebSocket frames; an
//! event is written from one when it is sent, once for all members of a sweep that it is for.

use std::rc::Rc;

use super::write_sink::Payload;
use crate::broker::channel::{Channels, Sweep};
use crate::shared_frame::{Deflation, Frame};
use crate::types::{ChannelIndex, ChannelName, Encoding, Epoch, Seq};
use crate::wire::event_stream::{self, Position};

/// An encoding of a channel's frames, with what it takes to make it.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    encoding: Encoding,
    /// How WebSocket frames are compressed in it.
    deflation: Deflation,
    channel: &'a ChannelName,
    epoch: Epoch,
}

impl<'a> Form<'a> {
    pub(super) fn new(channels: &'a Channels, channel: ChannelIndex, encoding: Encoding) -> Self {
        let (epoch, channel) = (channels.log(channel).epoch(), channels.name(channel));
        Form { encoding, deflation: Deflation::Plain, channel, epoch }
    }

    /// The same with WebSocket frames compressed in this way.
    pub(super) fn deflated(self, deflation: Deflation) -> Self {
        Form { deflation, ..self }
    }

    /// That of a subscriber.
    pub(super) fn of(channels: &'a Channels, connection: u32, channel: ChannelIndex) -> Self {
        Form::new(channels, channel, channels.encoding_of(connection, channel))
    }

    fn position(&self, seq: Seq) -> Option<Position<'a>> {
        let Form { channel, epoch, .. } = *self;
        (self.encoding == Encoding::Event).then_some(Position { channel, epoch, seq })
    }

    /// Bytes of a frame in it.
    pub(super) fn len(&self, frame: &Frame) -> usize {
        match self.encoding {
            Encoding::Plain | Encoding::Deflating => frame.encoded(self.deflation).len(),
            Encoding::Event | Encoding::BareEvent => {
                event_stream::event_len(self.position(frame.seq).as_ref(), frame.text())
            }
        }
    }

    /// Appends a frame in it.
    pub(super) fn append(&self, frame: &Frame, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Plain | Encoding::Deflating => {
                out.extend_from_slice(frame.encoded(self.deflation));
            }
            Encoding::Event | Encoding::BareEvent => {
                event_stream::event(self.position(frame.seq).as_ref(), frame.text(), out);
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
            Encoding::Event | Encoding::BareEvent => {
                event_stream::of_frame(self.position(seq).as_ref(), &frame)
            }
        }
    }
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
