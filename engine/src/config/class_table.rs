//! The classes of one service, compiled: one for each pattern.

use std::rc::Rc;

use super::{ChannelClass, ClassRule, Retention, Service};
use crate::types::ChannelPattern;

/// Which class a channel of a service has. Whatever the narrowest pattern that matches a name, the
/// others that match are the same for all such names: so each pattern has one class.
#[derive(Clone, Debug)]
pub(crate) struct ClassTable {
    /// Narrowest first.
    classes: Vec<(ChannelPattern, Rc<ChannelClass>)>,
    default: Rc<ChannelClass>,
}

impl ClassTable {
    pub(crate) fn new(service: &Service, retention: Retention) -> ClassTable {
        let rules = service.class_rules(|_| true);
        let class = |(place, rule): (usize, &&ClassRule)| {
            let of = &rule.channels;
            let wider = rules[place..].iter().filter(|wider| wider.channels.covers(of));
            let wider: Vec<&ClassRule> = wider.copied().collect();
            (of.clone(), Rc::new(ChannelClass::of(&wider, retention)))
        };
        ClassTable {
            classes: rules.iter().enumerate().map(class).collect(),
            default: Rc::new(ChannelClass::of(&[], retention)),
        }
    }

    /// The class of a channel of this name.
    pub(crate) fn of(&self, channel: &str) -> &Rc<ChannelClass> {
        let matching = self.classes.iter().find(|(channels, _)| channels.matches(channel));
        matching.map_or(&self.default, |(_, class)| class)
    }
}

#[cfg(test)]
mod tests;
