//! How many connections each address has, over all shards. A lock, taken twice for each
//! connection and never for a message; in stripes, so that shards seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::types::AddressGroup;

/// Stripes: as many as shards at most.
const STRIPES: usize = crate::limits::MAX_SHARDS;

/// The counts. An address without connections is not in them.
#[derive(Debug)]
pub struct PerAddressLimit {
    stripes: Vec<Mutex<HashMap<AddressGroup, usize>>>,
    hasher: RandomState,
}

/// One connection of an address, given back on drop.
#[derive(Debug)]
pub struct AddressPermit {
    of: Arc<PerAddressLimit>,
    address: AddressGroup,
}

impl Default for PerAddressLimit {
    fn default() -> PerAddressLimit {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        PerAddressLimit { stripes, hasher: RandomState::new() }
    }
}

impl PerAddressLimit {
    /// Counts a connection from this address, if it has fewer than `max`, which may be another
    /// one each time.
    pub fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<AddressPermit> {
        let address = AddressGroup::from(address);
        let mut stripe = self.stripe(address);
        let count = stripe.get(&address).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        stripe.insert(address, count + 1);
        Some(AddressPermit { of: Arc::clone(self), address })
    }

    fn stripe(&self, address: AddressGroup) -> MutexGuard<'_, HashMap<AddressGroup, usize>> {
        let stripe = self.hasher.hash_one(address) as usize % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut stripe = self.of.stripe(self.address);
        if let Some(count) = stripe.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                stripe.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
