//! The channel classes that a recorder tells apart, and those that have given their place back.

use std::collections::HashMap;

use super::snapshot::{ClassId, Snapshot};
use crate::limits::{CLASS_IDLE, SNAPSHOT_INTERVAL};
use crate::types::ServiceId;

/// Snapshots in a row without a measurement after which a class gives its place back.
pub(super) const IDLE_SNAPSHOTS: u32 = (CLASS_IDLE.as_secs() / SNAPSHOT_INTERVAL.as_secs()) as u32;

/// The classes of a recorder, each with a place in its snapshots.
#[derive(Debug)]
pub(super) struct Classes {
    /// By service.
    ids: Vec<HashMap<String, ClassId>>,
    places: Vec<Place>,
    free: Vec<u16>,
}

#[derive(Debug, Default)]
struct Place {
    /// Classes that had it before, modulo 2^16: an id of one of them is not current.
    generation: u16,
    /// Snapshots in a row without a measurement.
    idle: u32,
}

impl Classes {
    pub(super) fn new(services: usize) -> Classes {
        Classes { ids: vec![HashMap::new(); services], places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn find(&self, service: ServiceId, name: &str) -> Option<ClassId> {
        self.ids[service.index()].get(name).copied()
    }

    /// How many a service has.
    pub(super) fn count(&self, service: ServiceId) -> usize {
        self.ids[service.index()].len()
    }

    /// Gives a class a place.
    pub(super) fn add(&mut self, service: ServiceId, name: &str) -> ClassId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u16
        });
        let known = &mut self.places[usize::from(place)];
        known.idle = 0;
        let id = ClassId { place, generation: known.generation };
        self.ids[service.index()].insert(name.to_owned(), id);
        id
    }

    pub(super) fn is_current(&self, id: ClassId) -> bool {
        let place = self.places.get(usize::from(id.place));
        place.is_some_and(|place| place.generation == id.generation)
    }

    /// `handed` is complete and `next`, which is empty, takes its place: classes that were idle for
    /// long are not in it any more.
    pub(super) fn next_snapshot(&mut self, handed: &Snapshot, next: &mut Snapshot) {
        for (number, class) in handed.classes.iter().enumerate() {
            let place = &mut self.places[number];
            place.idle = if class.is_empty() { place.idle + 1 } else { 0 };
            if place.idle >= IDLE_SNAPSHOTS && !class.vacant {
                place.idle = 0;
                place.generation = place.generation.wrapping_add(1);
                self.ids[class.service.index()].remove(&class.name);
                self.free.push(number as u16);
                next.classes[number].vacant = true;
            }
        }
    }
}
