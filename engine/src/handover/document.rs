//! The whole state as bytes: a head, and parts behind it, each with its kind and a checksum.

use zeroize::Zeroizing;
use zlib_rs::crc32::crc32;

use super::byte_codec::{ByteReader, ByteWriter, Coded, encode};
use super::{Blob, Early, EngineState, HandoverError, History, ShardState};
use crate::limits::HANDOVER_PARTS;

/// The format that this program writes.
pub const FORMAT_VERSION: u16 = 1;
/// The oldest format that it reads; and the oldest program that can read what it writes, by the
/// format of that.
pub const READABLE_FROM: u16 = 1;

/// What a state begins with.
const MAGIC: [u8; 8] = *b"uringho\n";
/// Bytes of the head: magic, version, readable from, number of parts, checksum.
const HEAD: usize = 8 + 2 + 2 + 4 + 4;
/// Bytes in front of a part: kind, whether it must be understood, length, checksum.
const PART_HEAD: usize = 2 + 1 + 8 + 4;

/// Kinds of parts.
const ENGINE: u16 = 1;
const SHARD: u16 = 2;
const BLOB: u16 = 3;
const HISTORY: u16 = 4;
const EARLY: u16 = 5;

/// All that one process hands over to another.
#[derive(Debug)]
pub struct State {
    /// What is the same on all shards.
    pub engine: EngineState,
    /// Parts of the logs that went over before, in the order in which they did.
    pub histories: Vec<History>,
    /// Connections that went over before.
    pub early: Vec<Early>,
    /// What each of the predecessor's shards held.
    pub shards: Vec<ShardState>,
    /// State of the program around the engine.
    pub blobs: Vec<Blob>,
}

/// The head of a state of so many parts, which follow it.
pub fn head(parts: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    head[10..12].copy_from_slice(&READABLE_FROM.to_le_bytes());
    head[12..16].copy_from_slice(&(parts as u32).to_le_bytes());
    let checksum = checksum(&head[..16], &[]);
    head[16..].copy_from_slice(&checksum.to_le_bytes());
    head
}

impl EngineState {
    /// Its part of a state.
    pub fn to_part(&self) -> Zeroizing<Vec<u8>> {
        part(ENGINE, true, self)
    }
}

impl ShardState {
    /// Its part of a state.
    pub fn to_part(&self) -> Zeroizing<Vec<u8>> {
        part(SHARD, true, self)
    }
}

impl History {
    /// Its part of a state.
    pub fn to_part(&self) -> Zeroizing<Vec<u8>> {
        part(HISTORY, true, self)
    }
}

impl Early {
    /// Its part of a state.
    pub fn to_part(&self) -> Zeroizing<Vec<u8>> {
        part(EARLY, true, self)
    }
}

impl Blob {
    /// Its part of a state.
    pub fn to_part(&self) -> Zeroizing<Vec<u8>> {
        part(BLOB, self.is_required, self)
    }
}

/// A part, ready to be put behind others.
pub(super) fn part(kind: u16, is_required: bool, content: &impl Coded) -> Zeroizing<Vec<u8>> {
    let mut part = encode(|to: &mut ByteWriter| {
        to.put_bytes(&[0; PART_HEAD]);
        content.put(to);
    });
    let (head, content) = part.split_at_mut(PART_HEAD);
    head[..2].copy_from_slice(&kind.to_le_bytes());
    head[2] = is_required.into();
    head[3..11].copy_from_slice(&(content.len() as u64).to_le_bytes());
    let checksum = checksum(&head[..11], content);
    head[11..].copy_from_slice(&checksum.to_le_bytes());
    part
}

/// The CRC-32 of gzip: it finds damage, and proves nothing about the writer.
fn checksum(head: &[u8], content: &[u8]) -> u32 {
    crc32(crc32(0, head), content)
}

impl State {
    /// The whole state as bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut parts = vec![self.engine.to_part()];
        parts.extend(self.histories.iter().map(History::to_part));
        parts.extend(self.early.iter().map(Early::to_part));
        parts.extend(self.shards.iter().map(ShardState::to_part));
        parts.extend(self.blobs.iter().map(Blob::to_part));
        let len = HEAD + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        bytes.extend_from_slice(&head(parts.len()));
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }

    /// Reads what a predecessor has written, of this format, one before it, or a later one that
    /// says that it can be read.
    ///
    /// # Errors
    /// [`HandoverError`] whenever a byte is not as it was written, and where this program lacks the
    /// knowledge.
    pub fn decode(bytes: &[u8]) -> Result<State, HandoverError> {
        let mut from = ByteReader::new(bytes);
        let count = take_head(&mut from)?;
        let (mut engine, mut histories) = (None, Vec::new());
        let (mut early, mut shards, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let (kind, is_required, content) = take_part(&mut from)?;
            let mut content = ByteReader::new(content);
            match kind {
                ENGINE if engine.is_none() => engine = Some(EngineState::take(&mut content)?),
                ENGINE => return Err(HandoverError::Malformed("two engines")),
                SHARD => shards.push(ShardState::take(&mut content)?),
                EARLY => early.push(Early::take(&mut content)?),
                HISTORY => histories.push(History::take(&mut content)?),
                BLOB => blobs.push(Blob::take(&mut content)?),
                unknown if is_required => return Err(HandoverError::UnknownPart(unknown)),
                _ => continue,
            }
            if !content.is_empty() {
                return Err(HandoverError::Malformed("a part is longer than its content"));
            }
        }
        if !from.is_empty() {
            return Err(HandoverError::Malformed("it goes on behind its end"));
        }
        let engine = engine.ok_or(HandoverError::Malformed("no engine"))?;
        Ok(State { engine, histories, early, shards, blobs })
    }
}

/// Takes the head. Returns the number of parts.
fn take_head(from: &mut ByteReader<'_>) -> Result<u32, HandoverError> {
    let head = from.take_bytes(HEAD)?;
    let (said, sum) = head.split_at(16);
    let mut fields = ByteReader::new(said);
    if fields.take_bytes(MAGIC.len())? != MAGIC {
        return Err(HandoverError::NotAState);
    }
    let found = u16::take(&mut fields)?;
    let readable_from = u16::take(&mut fields)?;
    let parts = u32::take(&mut fields)?;
    if sum != checksum(said, &[]).to_le_bytes() {
        return Err(HandoverError::Damaged);
    }
    if found < READABLE_FROM || readable_from > FORMAT_VERSION {
        return Err(HandoverError::Version { found, readable_from });
    }
    if parts > HANDOVER_PARTS {
        return Err(HandoverError::Malformed("too many parts"));
    }
    Ok(parts)
}

/// Takes a part: its kind, whether it must be understood, and its content.
fn take_part<'a>(from: &mut ByteReader<'a>) -> Result<(u16, bool, &'a [u8]), HandoverError> {
    let head = from.take_bytes(PART_HEAD)?;
    let (said, sum) = head.split_at(11);
    let mut fields = ByteReader::new(said);
    let (kind, is_required) = (u16::take(&mut fields)?, u8::take(&mut fields)?);
    let len = usize::try_from(u64::take(&mut fields)?).map_err(|_| HandoverError::Truncated)?;
    let content = from.take_bytes(len)?;
    if sum != checksum(said, content).to_le_bytes() {
        return Err(HandoverError::Damaged);
    }
    Ok((kind, is_required != 0, content))
}

/// The same bytes with the checksums of what they say, as far as they have a head and parts: what a
/// liar would write.
#[cfg(any(test, fuzzing))]
pub(crate) fn reseal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    if let Some((said, sum)) = sealed.get_mut(..HEAD).map(|head| head.split_at_mut(16)) {
        sum.copy_from_slice(&checksum(said, &[]).to_le_bytes());
    }
    let mut rest = sealed.get_mut(HEAD..).unwrap_or_default();
    while let Some((head, content)) = rest.split_at_mut_checked(PART_HEAD) {
        let (said, sum) = head.split_at_mut(11);
        let len = u64::from_le_bytes(said[3..].try_into().expect("eight bytes"));
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(content.len());
        let (content, behind) = content.split_at_mut(len);
        sum.copy_from_slice(&checksum(said, content).to_le_bytes());
        rest = behind;
    }
    sealed
}
