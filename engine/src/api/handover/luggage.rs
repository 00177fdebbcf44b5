//! What goes over beside the state of the shards: what the rings of the successor are, and which
//! sockets are listened on.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use crate::handover::{Blob, SecretBytes};
use crate::shard::ShardRing;
use crate::types::{ServiceId, ShardId};

/// Names the listening sockets of the engine, in the order of their descriptors.
const LISTENERS: &str = "engine.listeners";
/// How many slots of each of the successor's rings were filled at most.
const SLOTS: &str = "engine.slots";

/// A listening socket: its service, and the address that is configured for it, of which the port
/// may be 0.
pub(super) type Listening = (ServiceId, SocketAddr);

pub(super) fn listeners(all: &[Listening]) -> Blob {
    let lines = all.iter().map(|(service, address)| format!("{} {address}\n", service.0));
    blob(LISTENERS, lines.collect::<String>().into_bytes())
}

/// Takes them out of `blobs`.
pub(super) fn take_listeners(blobs: &mut Vec<Blob>) -> Option<Vec<Listening>> {
    let bytes = take(blobs, LISTENERS)?;
    let text = std::str::from_utf8(bytes.expose()).ok()?;
    let read = |line: &str| {
        let (service, address) = line.split_once(' ')?;
        Some((ServiceId(service.parse().ok()?), address.parse().ok()?))
    };
    text.lines().map(read).collect()
}

pub(super) fn slots(used: &[u32]) -> Blob {
    blob(SLOTS, used.iter().flat_map(|used| used.to_le_bytes()).collect())
}

/// Takes them out of `blobs`.
pub(super) fn take_slots(blobs: &mut Vec<Blob>) -> Option<Vec<u32>> {
    let bytes = take(blobs, SLOTS)?;
    let (all, rest) = bytes.expose().as_chunks();
    rest.is_empty().then(|| all.iter().map(|used| u32::from_le_bytes(*used)).collect())
}

/// Rings as bytes: descriptor (4) and slots (4) of each, little-endian, in the shards' order.
pub(super) fn rings(all: &[ShardRing]) -> Vec<u8> {
    let bytes =
        |ring: &ShardRing| [ring.descriptor as u32, ring.slots as u32].map(u32::to_le_bytes);
    all.iter().flat_map(bytes).flatten().collect()
}

pub(super) fn read_rings(bytes: &[u8]) -> Option<Vec<ShardRing>> {
    let (all, rest) = bytes.as_chunks::<8>();
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    let ring = |(shard, bytes): (usize, &[u8; 8])| {
        let descriptor = RawFd::try_from(number(&bytes[..4])).ok()?;
        let slots = number(&bytes[4..]) as usize;
        Some(ShardRing { shard: ShardId(u8::try_from(shard).ok()?), descriptor, slots })
    };
    let rings: Vec<_> = all.iter().enumerate().map(ring).collect::<Option<_>>()?;
    (rest.is_empty() && !rings.is_empty()).then_some(rings)
}

fn blob(name: &str, bytes: Vec<u8>) -> Blob {
    let bytes = SecretBytes::new(bytes);
    Blob { name: name.to_owned(), version: 1, is_required: true, bytes }
}

fn take(blobs: &mut Vec<Blob>, name: &str) -> Option<SecretBytes> {
    let place = blobs.iter().position(|blob| blob.name == name && blob.version == 1)?;
    Some(blobs.swap_remove(place).bytes)
}

#[cfg(test)]
mod tests;
