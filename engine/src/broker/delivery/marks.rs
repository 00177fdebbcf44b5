//! Sweeps under way that are written together with other sweeps.

use std::rc::Rc;

use super::write_sink::Payload;
use crate::broker::channel::Sweep;
use crate::shared_frame::{Deflation, Frame};
use crate::types::{ChannelIndex, Encoding};

/// Names a mark until it is taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MarkId(u32);

/// The bytes of one sweep, shared by all writes that hold them.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Frame(Rc<Frame>),
    /// The same in another encoding.
    Encoded(Rc<Frame>, Deflation),
    /// Several frames.
    Joined(Rc<Vec<u8>>),
}

impl Piece {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Piece::Frame(frame) => frame.bytes(),
            Piece::Encoded(frame, encoding) => frame.encoded(*encoding),
            Piece::Joined(bytes) => bytes,
        }
    }
}

impl From<Piece> for Payload {
    fn from(piece: Piece) -> Payload {
        match piece {
            Piece::Frame(frame) => Payload::Frame(frame, 0),
            Piece::Encoded(frame, encoding) => Payload::Encoded(frame, encoding, 0),
            Piece::Joined(bytes) => Payload::Joined(bytes, 0),
        }
    }
}

/// A sweep of a channel, as members with one encoding are written it.
pub(super) type Swept = (ChannelIndex, Sweep, Encoding);

/// One sweep that is marked.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) channel: ChannelIndex,
    pub(super) sweep: Sweep,
    /// Of the members that are owed it.
    pub(super) encoding: Encoding,
    pub(super) piece: Piece,
}

/// Sweeps that the same connections are owed: one, or as many as had the same pending members.
#[derive(Debug)]
struct Mark {
    sweeps: Vec<Marked>,
    /// Connections that hold it in their chains.
    owing: u32,
    /// Whole writes of it in the batch.
    writes: u64,
}

/// The marks of a shard.
#[derive(Debug, Default)]
pub(super) struct Marks {
    slots: Vec<Option<Mark>>,
    free: Vec<MarkId>,
    /// By slot of the channel table and encoding: the channel's mark for these members, plus one.
    of_channel: Vec<[u32; Encoding::COUNT]>,
    /// Marks with writes in the batch.
    written: Vec<MarkId>,
    /// Marks that no connection is owed any more: their sweeps end with the batch.
    ended: Vec<MarkId>,
}

impl Marks {
    /// The marks of a channel's sweep: one for each encoding of the members that are served.
    pub(super) fn of(&self, channel: ChannelIndex) -> impl Iterator<Item = MarkId> {
        let places = self.of_channel.get(channel.slot() as usize).into_iter().flatten();
        places.filter_map(|place| place.checked_sub(1)).map(MarkId)
    }

    fn get(&self, id: MarkId) -> &Mark {
        self.slots[id.0 as usize].as_ref().expect("a mark that is not taken out")
    }

    /// The sweeps of a mark, in the order in which they are written.
    pub(super) fn sweeps(&self, id: MarkId) -> &[Marked] {
        &self.get(id).sweeps
    }

    fn get_mut(&mut self, id: MarkId) -> &mut Mark {
        self.slots[id.0 as usize].as_mut().expect("a mark that is not taken out")
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether a connection is still owed a mark.
    pub(super) fn is_owed(&self, id: MarkId) -> bool {
        self.get(id).owing > 0
    }

    /// Adds a mark of sweeps: [`Marks::owe`] says how many connections are owed it.
    pub(super) fn add(&mut self, sweeps: Vec<Marked>) -> MarkId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            MarkId(self.slots.len() as u32 - 1)
        });
        for marked in &sweeps {
            let place = marked.channel.slot() as usize;
            if place >= self.of_channel.len() {
                self.of_channel.resize(place + 1, [0; Encoding::COUNT]);
            }
            let mark = &mut self.of_channel[place][marked.encoding as usize];
            debug_assert!(*mark == 0, "two marks of the same members");
            *mark = id.0 + 1;
        }
        self.slots[id.0 as usize] = Some(Mark { sweeps, owing: 0, writes: 0 });
        id
    }

    /// So many connections are owed a new mark.
    pub(super) fn owe(&mut self, id: MarkId, connections: u32) {
        self.get_mut(id).owing = connections;
        if connections == 0 {
            self.ended.push(id);
        }
    }

    /// So many connections are not owed a mark any more.
    pub(super) fn settle(&mut self, id: MarkId, connections: u32) {
        let mark = self.get_mut(id);
        mark.owing -= connections;
        if mark.owing == 0 {
            self.ended.push(id);
        }
    }

    /// The batch holds so many more writes of a mark.
    pub(super) fn count_writes(&mut self, id: MarkId, writes: u64) {
        let mark = self.get_mut(id);
        if mark.writes == 0 {
            self.written.push(id);
        }
        self.get_mut(id).writes += writes;
    }

    /// A write of the batch was not whole.
    pub(super) fn uncount_write(&mut self, id: MarkId) {
        self.get_mut(id).writes -= 1;
    }

    /// The next mark with whole writes in the batch that is over, and how many.
    pub(super) fn next_written(&mut self) -> Option<(MarkId, u64)> {
        let id = self.written.pop()?;
        Some((id, std::mem::take(&mut self.get_mut(id).writes)))
    }

    /// Takes out the next mark of sweeps that end with the batch.
    pub(super) fn next_ended(&mut self) -> Option<Vec<Marked>> {
        let id = self.ended.pop()?;
        let mark = self.slots[id.0 as usize].take().expect("a mark ends once");
        for marked in &mark.sweeps {
            self.of_channel[marked.channel.slot() as usize][marked.encoding as usize] = 0;
        }
        self.free.push(id);
        Some(mark.sweeps)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (MarkId, &[Marked], u32)> {
        let marks = self.slots.iter().zip(0..);
        marks.filter_map(|(mark, id)| {
            mark.as_ref().map(|mark| (MarkId(id), &mark.sweeps[..], mark.owing))
        })
    }
}
