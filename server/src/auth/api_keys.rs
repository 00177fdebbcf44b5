//! The API keys of publishers.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::settings::value::ApiKey;

/// All keys. Without any, requests need none. Clones share them: through any they are replaced.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Arc<RwLock<Arc<[Arc<ApiKey>]>>>);

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
        let keys = keys.into_iter().map(Arc::new).collect();
        Ok(ApiKeys(Arc::new(RwLock::new(keys))))
    }

    fn all(&self) -> Arc<[Arc<ApiKey>]> {
        Arc::clone(&self.0.read())
    }

    /// Takes the keys of another set, in the place of all there were.
    pub fn replace(&self, new: &ApiKeys) {
        let new = new.all();
        *self.0.write() = new;
    }

    /// What is different in another set, without any key: `2 (before: 1)`.
    pub fn difference(&self, new: &ApiKeys) -> Option<String> {
        let (before, after) = (self.all(), new.all());
        (before != after).then(|| match (before.len(), after.len()) {
            (before, after) if before != after => format!("{after} (before: {before})"),
            _ => "others, as many".into(),
        })
    }

    /// A key of none of these services, and the one that it names.
    pub fn for_unknown_service(&self, services: &[&str]) -> Option<(Box<str>, Box<str>)> {
        let all = self.all();
        let mut named = all.iter().filter_map(|key| Some((&key.name, key.service.as_ref()?)));
        let found = named.find(|(_, service)| !services.contains(&&***service));
        found.map(|(name, service)| (name.clone(), service.clone()))
    }

    /// Whether requests need no key.
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// The key that a request carries. Compares every one, each in constant time.
    pub fn find(&self, key: &[u8]) -> Option<Arc<ApiKey>> {
        let (hash, all) = (ApiKey::hash(key), self.all());
        let known =
            |found, key: &Arc<ApiKey>| if key.has(&hash) { Some(Arc::clone(key)) } else { found };
        all.iter().fold(None, known)
    }
}

#[cfg(test)]
mod tests;
