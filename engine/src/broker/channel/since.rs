//! From which place of a channel's context on a subscriber has everything.

#[cfg(test)]
use super::context_faults::ContextFault;
use crate::limits::DEFLATING_SUBSCRIPTION;
use crate::shared_frame::{Deflation, Frame};

/// What a subscriber's inflater has of a channel's context; 8 bytes of each subscription of a
/// client that negotiated permessage-deflate. It changes where the subscriber misses something, or
/// gets something else that is compressed, and not with what it gets in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(u64);

impl Since {
    /// It has nothing, and follows from the next message on.
    pub(crate) const COLD: Since = Since(u64::MAX);
    /// It follows no context: each message is compressed by itself.
    pub(crate) const TWINS: Since = Since(u64::MAX - 1);
    /// Its connection follows another channel's context, which a twin from here would break.
    pub(crate) const ASIDE: Since = Since(u64::MAX - 2);

    /// It has everything from a place on.
    #[cfg(test)]
    pub(crate) fn of(place: u64) -> Since {
        Since(place)
    }

    /// Whether it follows the channel's context.
    pub(crate) fn follows(self) -> bool {
        self.0 < Since::ASIDE.0 || self == Since::COLD
    }

    /// Something that is not of the channel's context is between what it has and what comes.
    pub(crate) fn interrupt(&mut self) {
        if self.follows() {
            *self = Since::COLD;
        }
    }

    /// How the next frame is to be sent. It has that frame then.
    pub(crate) fn take(&mut self, frame: &Frame) -> Deflation {
        let mut span = Span::default();
        span.add(frame);
        span.take(self)
    }
}

const _: () = assert!(2 * size_of::<Since>() == DEFLATING_SUBSCRIPTION);

/// What some frames in a row mean for their subscribers' contexts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// Start and need of the first one that is in the context.
    first: Option<(u64, u64)>,
    /// The start of the first one behind the last gap, if there is a gap.
    after_gap: Option<Since>,
}

impl Span {
    /// Appends a frame.
    pub(crate) fn add(&mut self, frame: &Frame) {
        #[cfg(test)]
        if frame.is_gap && ContextFault::ForgottenGap.is_present() {
            return;
        }
        if frame.is_gap {
            self.after_gap = Some(Since::COLD);
        } else if let Some(in_context) = frame.in_context() {
            self.first.get_or_insert((in_context.start, in_context.need));
            if let Some(after) = self.after_gap.as_mut().filter(|after| **after == Since::COLD) {
                *after = Since(in_context.start);
            }
        }
    }

    /// How these frames are to be sent to a subscriber. It has them then. What follows a frame that
    /// it can inflate in context it can, too: needs do not fall.
    #[inline]
    pub(crate) fn take(&self, since: &mut Since) -> Deflation {
        match *since {
            Since::TWINS => return Deflation::Twin,
            Since::ASIDE => return Deflation::Aside,
            _ => {}
        }
        if let Some(after) = self.after_gap {
            *since = after;
            return Deflation::Twin;
        }
        let Some((start, need)) = self.first else { return Deflation::Twin };
        // From the first frame on that it gets it has everything.
        since.0 = since.0.min(start);
        if since.0 <= need { Deflation::Context } else { Deflation::Twin }
    }
}

#[cfg(test)]
mod tests;
