//! Faults of contexts that the simulation must find.

use super::Channels;
use super::since::Since;

/// What is wrong about what subscribers have of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum ContextFault {
    /// A newcomer is taken for one that has everything.
    WarmNewcomer,
    /// A gap is forgotten.
    ForgottenGap,
    /// A twin of another channel is forgotten.
    ForgottenTwin,
}

impl ContextFault {
    pub(super) fn first_since(self) -> Since {
        match self {
            ContextFault::WarmNewcomer => Since::of(0),
            ContextFault::ForgottenGap | ContextFault::ForgottenTwin => Since::COLD,
        }
    }
}

impl Channels {
    /// Breaks what is known of contexts.
    pub(in crate::broker) fn break_contexts(&mut self, fault: ContextFault) {
        self.fault = Some(fault);
    }
}
