//! A request for channels, as the session understood it.

use std::sync::Arc;

use crate::broker::channel::Start;
use crate::broker::connection::CloseReason;
use crate::broker::pattern_set::PatternKey;
use crate::types::{ChannelName, ChannelRefusal, Epoch, ErrorCode, Seq, StateDocument};
use crate::wire::request::{Channels, Positions};

/// The `correlation_id` of a reply, if its request had one.
pub(super) type Correlation = Option<Box<str>>;

/// Channels to subscribe to or to leave.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) correlation: Correlation,
    /// Whether the reply is for a list.
    pub(super) list: bool,
    pub(super) names: Vec<ChannelName>,
    /// Names that were refused at once, with the error code.
    pub(super) failed: Vec<(String, ErrorCode)>,
    /// Why the last one was refused of those for which there is no room; `None` if it was for the
    /// connection's own limit.
    pub(super) refusal: Option<ChannelRefusal>,
    pub(super) action: Action,
    /// The positions from which subscriptions go on.
    pub(super) since: Positions,
    /// They go on live, unless everything since then is there.
    pub(super) all_or_nothing: bool,
    /// How many older messages those without a position begin with.
    pub(super) last: u64,
    /// These begin with the newest message of each key instead.
    pub(super) latest: bool,
    /// What the channels of a pattern begin with, where it is about one.
    pub(super) pattern: Option<PatternKey>,
    /// Whether the client is to get the members.
    pub(super) presence: bool,
    /// The state with which the subscription begins.
    pub(super) state: WantedState,
}

/// The state of a channel with which a subscription begins.
#[derive(Debug, Default)]
pub(super) enum WantedState {
    /// It is not asked for, or the client has a later position.
    #[default]
    None,
    /// It is to be asked for.
    Wanted,
    /// The channel has none.
    Absent,
    /// What comes after it follows.
    Found(Arc<StateDocument>),
}

impl Order {
    /// For these channels, without a request that is owed a reply.
    pub(super) fn unasked(names: Vec<ChannelName>, action: Action) -> Order {
        Order {
            correlation: None,
            list: false,
            names,
            failed: Vec::new(),
            refusal: None,
            action,
            since: Positions::default(),
            all_or_nothing: false,
            last: 0,
            latest: false,
            pattern: None,
            presence: false,
            state: WantedState::None,
        }
    }

    /// What a request asks for that is about a pattern.
    pub(super) fn of_pattern(
        correlation: Option<&str>,
        pattern: PatternKey,
        action: Action,
    ) -> Order {
        let mut order = Order::unasked(Vec::new(), action);
        (order.correlation, order.pattern) = (correlation.map(Into::into), Some(pattern));
        order
    }

    /// What a request asks for, each channel once; impossible names have failed already.
    pub(super) fn new(correlation: Option<&str>, channels: Channels, action: Action) -> Order {
        let mut order = Order::unasked(Vec::new(), action);
        order.correlation = correlation.map(Into::into);
        match channels {
            Channels::One(name) => order.names.push(name),
            Channels::Many(entries) => {
                order.list = true;
                for entry in entries {
                    match entry {
                        Ok(name) if !order.names.contains(&name) => order.names.push(name),
                        Ok(_) => {}
                        Err(bad) => order.failed.push((bad.text, ErrorCode::InvalidChannel)),
                    }
                }
            }
        }
        order
    }

    /// Where a subscription begins.
    pub(super) fn start(&self, name: &ChannelName) -> Start {
        if let Some(state) = self.found_state() {
            return Start::Since { epoch: state.epoch, seq: state.seq, whole: true };
        }
        match (self.position(name), self.last) {
            (Some((epoch, seq)), _) => Start::Since { epoch, seq, whole: self.all_or_nothing },
            (None, _) if self.latest => Start::Latest,
            (None, 0) => Start::Live,
            (None, last) => Start::Last(last),
        }
    }

    /// The position that the client has in a channel.
    fn position(&self, name: &ChannelName) -> Option<(Epoch, Seq)> {
        let since = self.since.get(name.as_str())?;
        // A text that no epoch of ours has is an epoch of no log.
        Some((since.epoch.unwrap_or(Epoch(0)), since.seq))
    }

    /// The state with the position that counts.
    pub(super) fn found_state(&self) -> Option<&StateDocument> {
        match &self.state {
            WantedState::Found(state) => Some(state),
            _ => None,
        }
    }

    /// The channel's home has answered with its state. A client that was further goes on there.
    pub(super) fn take_state(&mut self, found: Option<Arc<StateDocument>>) {
        self.state = WantedState::None;
        let position = self.names.first().and_then(|name| self.position(name));
        let is_further = |state: &StateDocument| {
            position.is_some_and(|(epoch, seq)| epoch == state.epoch && seq >= state.seq)
        };
        self.state = match found {
            None => WantedState::Absent,
            Some(state) if is_further(&state) => WantedState::None,
            Some(state) => WantedState::Found(state),
        };
    }

    /// Whether it asks for older messages without a position.
    pub(super) fn reads_log(&self) -> bool {
        self.last > 0 || self.latest
    }

    /// There is no room for one of its channels.
    pub(super) fn refuse(&mut self, name: &ChannelName, refusal: Option<ChannelRefusal>) {
        let code = refusal.map_or(ErrorCode::LimitExceeded, ChannelRefusal::code);
        self.failed.push((name.as_str().to_owned(), code));
        self.refusal = refusal;
    }
}

/// What is to be done with the channels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Subscribe,
    Unsubscribe,
    /// Subscribe to the channels of a pattern.
    Watch,
    /// Leave those that the connection has by the pattern alone.
    Unwatch,
    /// Leave all channels, then close the connection.
    Close(CloseReason),
}
