//! The API keys of publishers.

use std::sync::Arc;

use crate::settings::value::ApiKey;

/// All keys. Without any, requests need none.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Arc<[Arc<ApiKey>]>);

impl ApiKeys {
    /// A set of keys, each with a name of its own.
    ///
    /// # Errors
    /// What is there twice: a name, or a key, of which only one line could count.
    pub fn new(keys: Vec<ApiKey>) -> Result<ApiKeys, String> {
        for (place, key) in keys.iter().enumerate() {
            for other in &keys[..place] {
                if other.name == key.name {
                    return Err(format!("two keys named {}", key.name));
                }
                if other.is_same_key(key) {
                    return Err(format!("one key with two names, {} and {}", other.name, key.name));
                }
            }
        }
        Ok(ApiKeys(keys.into_iter().map(Arc::new).collect()))
    }

    /// A key of none of these services, and the one that it names.
    pub fn for_unknown_service(&self, services: &[&str]) -> Option<(&str, &str)> {
        let mut named = self.0.iter().filter_map(|key| Some((&*key.name, key.service.as_deref()?)));
        named.find(|(_, service)| !services.contains(service))
    }

    /// Whether requests need no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a request carries. Compares every one, each in constant time.
    pub fn find(&self, key: &[u8]) -> Option<&Arc<ApiKey>> {
        let hash = ApiKey::hash(key);
        self.0.iter().fold(None, |found, known| if known.has(&hash) { Some(known) } else { found })
    }
}

#[cfg(test)]
mod tests;
