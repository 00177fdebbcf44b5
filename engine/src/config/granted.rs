//! Which permissions count at a service, and for what: those of its rules and of its classes.

use super::{ClassRule, HistoryAccess, Rule, Service};

impl Service {
    /// Permissions to subscribe: those of [`Access::subscribe`](super::Access::subscribe) and of
    /// [`Service::classes`].
    pub fn subscribe_rules(&self) -> Vec<Rule> {
        self.rules(&self.access.subscribe, |class| class.subscribe.as_ref())
    }

    /// Permissions to publish: those of [`Access::publish`](super::Access::publish) and of
    /// [`Service::classes`].
    pub fn publish_rules(&self) -> Vec<Rule> {
        self.rules(&self.access.publish, |class| class.publish.as_ref())
    }

    fn rules(&self, rules: &[Rule], of: fn(&ClassRule) -> Option<&String>) -> Vec<Rule> {
        let rule = |class: &ClassRule| {
            Some(Rule { channels: class.channels.clone(), permission: of(class)?.clone() })
        };
        rules.iter().cloned().chain(self.classes.iter().filter_map(rule)).collect()
    }

    /// Every permission that a rule or class names, once, in order.
    pub(crate) fn permissions(&self) -> Vec<String> {
        let rules = self.subscribe_rules().into_iter().chain(self.publish_rules());
        let history = self.classes.iter().filter_map(|class| match &class.history {
            Some(HistoryAccess::Permission(name)) => Some(name.clone()),
            _ => None,
        });
        let named = rules.map(|rule| rule.permission).chain(history);
        let mut all: Vec<String> = named.chain(self.access.admin.iter().cloned()).collect();
        all.push("publish".into());
        all.sort_unstable();
        all.dedup();
        all
    }
}
