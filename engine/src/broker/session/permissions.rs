//! Permissions, compiled: a connection holds one bit for each permission the service's rules name.

use crate::config::{AuthMode, HistoryAccess, Rule, Service};
use crate::limits::MAX_PERMISSIONS;
use crate::types::ChannelPattern;

/// The permissions of one connection, of those that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grants(u64);

impl Grants {
    /// Whether nothing is in `others` that is not in these.
    pub(super) fn cover(self, others: Grants) -> bool {
        others.0 & !self.0 == 0
    }
}

/// The rules of one service.
#[derive(Debug)]
pub(super) struct Permissions {
    /// Sorted; the place of a name is its bit.
    names: Vec<Box<str>>,
    subscribe: Vec<Guard>,
    publish: Vec<Guard>,
    history: Vec<Guard>,
    /// What `publish` allows where no rule matches.
    publisher: u64,
    /// Where no rule matches, all may publish: with a token a client may what it may without one.
    is_publishing_open: bool,
    admin: u64,
}

/// A pattern and the permissions of which one is needed; `None`: none is.
#[derive(Debug)]
struct Guard {
    channels: ChannelPattern,
    any_of: Option<u64>,
}

impl Permissions {
    pub(super) fn new(service: &Service) -> Permissions {
        let access = &service.access;
        // The start of the engine has refused more; a bit that does not fit would grant nothing.
        let names: Vec<Box<str>> =
            service.permissions().into_iter().take(MAX_PERMISSIONS).map(Into::into).collect();
        let bits = |wanted: &[&str]| -> u64 {
            wanted.iter().filter_map(|name| bit(&names, name)).fold(0, |all, bit| all | bit)
        };
        let admin: Vec<&str> = access.admin.iter().map(String::as_str).collect();
        let (admin, publisher) = (bits(&admin), bits(&["publish"]));
        let subscribe = guards(&names, &service.subscribe_rules());
        let publish = guards(&names, &service.publish_rules());
        let history = readers(&names, service);
        let is_publishing_open = access.mode == AuthMode::Optional && service.anonymous_publish;
        Permissions { subscribe, publish, history, publisher, is_publishing_open, admin, names }
    }

    /// What these permissions are worth here.
    pub(super) fn grants(&self, names: &[String]) -> Grants {
        let bits = names.iter().filter_map(|name| bit(&self.names, name));
        Grants(bits.fold(0, |all, bit| all | bit))
    }

    /// The same permissions as bits of other rules. Those that these do not name are lost.
    pub(super) fn translate(&self, grants: Grants, others: &Permissions) -> Grants {
        let bits = self.held(grants).filter_map(|name| bit(&others.names, name));
        Grants(bits.fold(0, |all, bit| all | bit))
    }

    /// The names of these bits.
    pub(super) fn held(&self, grants: Grants) -> impl Iterator<Item = &str> {
        let names = self.names.iter().enumerate();
        names.filter(move |(place, _)| grants.0 >> place & 1 == 1).map(|(_, name)| &**name)
    }

    #[cfg(test)]
    pub(super) fn names_of(&self, grants: Grants) -> Vec<String> {
        self.held(grants).map(Into::into).collect()
    }

    pub(super) fn may_subscribe(&self, grants: Grants, channel: &str) -> bool {
        guard(&self.subscribe, channel).is_none_or(|any_of| grants.0 & (any_of | self.admin) != 0)
    }

    /// Whether each channel with a name that begins with `prefix` may be subscribed to: any rule
    /// that counts for one is satisfied. All channels there are take a rule that names them.
    pub(super) fn may_subscribe_to_all(&self, grants: Grants, prefix: &str) -> bool {
        let is_met =
            |guard: &Guard| guard.any_of.is_none_or(|any_of| grants.0 & (any_of | self.admin) != 0);
        let met = |guard: &&Guard| guard.channels.meets_prefix(prefix);
        // Of those for all the channels the narrowest counts, for each of them.
        let of_all = self.subscribe.iter().find(|guard| guard.channels.covers_prefix(prefix));
        let mut of_some = self.subscribe.iter().filter(met);
        let open = of_all.is_none() && (!prefix.is_empty() || grants.0 & self.admin != 0);
        (open || of_all.is_some_and(is_met))
            && of_some.all(|guard| guard.channels.covers_prefix(prefix) || is_met(guard))
    }

    /// Whether the log may be read by request, where the channel may be subscribed to.
    pub(super) fn may_read_history(&self, grants: Grants, channel: &str) -> bool {
        guard(&self.history, channel).is_none_or(|any_of| grants.0 & (any_of | self.admin) != 0)
    }

    pub(super) fn may_publish(&self, grants: Grants, channel: &str) -> bool {
        let rule = guard(&self.publish, channel);
        let is_open = rule.is_none() && self.is_publishing_open;
        is_open || grants.0 & (rule.unwrap_or(self.publisher) | self.admin) != 0
    }
}

fn bit(names: &[Box<str>], name: &str) -> Option<u64> {
    names.binary_search_by(|known| (**known).cmp(name)).ok().map(|place| 1 << place)
}

/// The rules, those of one pattern as one.
fn guards(names: &[Box<str>], rules: &[Rule]) -> Vec<Guard> {
    let mut all: Vec<Guard> = Vec::new();
    for rule in rules {
        let bit = bit(names, &rule.permission).unwrap_or(0);
        match all.iter_mut().find(|guard| guard.channels == rule.channels) {
            Some(guard) => guard.any_of = guard.any_of.map(|others| others | bit),
            None => all.push(Guard { channels: rule.channels.clone(), any_of: Some(bit) }),
        }
    }
    narrowest_first(all)
}

/// What classes say of reading the log.
fn readers(names: &[Box<str>], service: &Service) -> Vec<Guard> {
    let mut all = Vec::new();
    for class in &service.classes {
        let any_of = match &class.history {
            None => continue,
            Some(HistoryAccess::On) => None,
            Some(HistoryAccess::Off) => Some(0),
            Some(HistoryAccess::Permission(name)) => Some(bit(names, name).unwrap_or(0)),
        };
        all.push(Guard { channels: class.channels.clone(), any_of });
    }
    narrowest_first(all)
}

fn narrowest_first(mut guards: Vec<Guard>) -> Vec<Guard> {
    guards.sort_by_key(|guard| std::cmp::Reverse(guard.channels.narrowness()));
    guards
}

fn guard(guards: &[Guard], channel: &str) -> Option<u64> {
    guards.iter().find(|guard| guard.channels.matches(channel))?.any_of
}

#[cfg(test)]
mod tests;
