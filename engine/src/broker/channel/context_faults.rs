//! Faults of contexts that the simulation must find.

use std::cell::Cell;

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
    /// A subscriber that goes on elsewhere in the log counts as one that goes on in order.
    ForgottenReturn,
}

thread_local! {
    /// Of the broker that this thread simulates.
    static PRESENT: Cell<Option<ContextFault>> = const { Cell::new(None) };
}

impl ContextFault {
    /// The brokers that this thread simulates from now on have this fault.
    pub(in crate::broker) fn set(fault: Option<ContextFault>) {
        PRESENT.set(fault);
    }

    pub(in crate::broker) fn is_present(self) -> bool {
        PRESENT.get() == Some(self)
    }

    /// What a subscriber begins with.
    pub(super) fn first_since() -> Since {
        if ContextFault::WarmNewcomer.is_present() { Since::of(0) } else { Since::COLD }
    }
}
