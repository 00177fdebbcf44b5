//! Who is told of channels and of members: patterns and presence.

use std::time::Duration;

use super::MAX_SUBSCRIPTIONS;

/// Patterns of one connection: a dashboard has one a kind of channel.
pub const PATTERNS_PER_CONNECTION: usize = 16;
/// Different patterns that the clients of a shard have: some 250 KiB, which each other shard looks
/// through when a channel appears.
pub const PATTERNS_PER_SHARD: usize = 1_024;

/// Members that channels are given in one iteration of a shard because of patterns, before further
/// publications wait for the next one: some 2 ms.
pub const REACHED_PER_TURN: usize = 8_192;

/// Members of one channel that its home knows by name: some 2 MiB. Further ones are not counted, and
/// the list says so.
pub const PRESENCE_MEMBERS: usize = 10_000;
/// Members of a channel up to which each join and leave is an event: each goes to all, so that their
/// number grows with the square. Above it only the number is told, until they are half as many.
pub const PRESENCE_EVENTS: usize = 100;
/// Members that a list names.
pub const LISTED_MEMBERS: usize = 1_000;
/// Time between two events with the number of members.
pub const PRESENCE_COUNT_PACE: Duration = Duration::from_secs(1);
/// How long one who has gone counts as present: a page that is loaded again is back by then.
pub const PRESENCE_LINGER: Duration = Duration::from_secs(5);
/// Bytes of a user's name in lists of members; connections of a user with a longer one are there by
/// their own ids.
pub const MAX_MEMBER_NAME: usize = 256;
/// Channels in which one connection is present.
pub const PRESENT_CHANNELS: usize = 100;
/// Members that one message from shard to shard names.
pub const MEMBERS_PER_REPORT: usize = 64;

const _: () = assert!(PRESENCE_EVENTS <= LISTED_MEMBERS && LISTED_MEMBERS <= PRESENCE_MEMBERS);
const _: () = assert!(PATTERNS_PER_CONNECTION < MAX_SUBSCRIPTIONS);
