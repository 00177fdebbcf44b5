//! Presence: who is subscribed.

use std::time::Duration;

use super::LANE_CREDITS;

/// Members of a channel that are named: each join of one more is told to all others, so that a room
/// that fills costs the square of this. Above it members are counted, and named again below half of
/// it.
pub const PRESENCE_NAMED: usize = 500;
/// Between two counts of a channel's members.
pub const PRESENCE_COUNTS: Duration = Duration::from_secs(1);
/// How long a user is still present after his last connection: a page that is loaded anew, or a
/// client that reconnects, is no leave and join.
pub const PRESENCE_LINGER: Duration = Duration::from_secs(10);
/// Reports to another shard at a time: the next ones wait for its answer.
pub const PRESENCE_REPORTS: usize = 256;
/// Questions of who is present that one shard may have open at another: half of its credits
/// ([`LANE_CREDITS`]), as a cluster may take seconds to answer.
pub const PRESENCE_QUESTIONS: usize = LANE_CREDITS / 2;
/// Joins, leaves and counts that a shard publishes in one iteration.
pub const PRESENCE_EVENTS: usize = 256;
/// As how many messages a list of a channel's members counts in its iteration: it is as long as
/// [`PRESENCE_NAMED`] allows.
pub const PRESENCE_COST: usize = 16;
