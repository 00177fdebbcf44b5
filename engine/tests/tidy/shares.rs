//! What is shared, and who may take how much of it. docs/LIMITS.md has the table; a name in braces
//! is a constant of a limits file, so that values are looked up.

use super::limits::Limits;
use super::{is_a_test, report};

/// One shared thing. A dash is a share that does not exist.
struct Share {
    /// What is shared, and by whom.
    what: [&'static str; 2],
    /// The bound in bytes or places.
    bound: &'static str,
    /// The share of one connection, one address, one key and one service.
    connection: &'static str,
    address: &'static str,
    key: &'static str,
    service: &'static str,
    /// What others find whatever these take.
    kept: &'static str,
    /// `FILE::FUNCTION` of the tests that exhaust it.
    tests: &'static [&'static str],
}

const NONE: &str = "—";
const REST: Share = Share {
    what: ["", ""],
    bound: "",
    connection: NONE,
    address: NONE,
    key: NONE,
    service: NONE,
    kept: NONE,
    tests: &[],
};

const SHARES: &[Share] = &[
    Share {
        what: ["connections", "clients of a service"],
        bound: "`max_connections`, {DEFAULT_MAX_CONNECTIONS} by default",
        connection: "1",
        address: "`max_connections_per_address`; no limit by default",
        service: "its own `max_connections`",
        kept: "probes are not counted",
        tests: &[
            "server/tests/faults_slow.rs::one_connection_too_many_is_closed_with_1013",
            "server/tests/faults_auth.rs::one_connection_too_many_from_an_address_is_answered_429",
        ],
        ..REST
    },
    Share {
        what: ["table of channels", "clients and publishers of a shard"],
        bound: "`shard_channels`, {MAX_CHANNELS_PER_SHARD} by default",
        connection: "one part in {CONNECTION_CHANNELS} of what nothing is published to; \
                     {MAX_SUBSCRIPTIONS}",
        address: "one part in {ADDRESS_CHANNELS} of that",
        kept: "one part in {PUBLISHED_CHANNELS} for channels that are published to",
        tests: &[
            "server/tests/faults_auth.rs::\
             a_connection_has_a_share_of_the_channels_that_nothing_was_published_to",
            "engine/src/broker/session/tests/channel_shares.rs::one_address_cannot_take_the_table",
            "engine/src/broker/session/tests/channel_shares.rs::\
             a_publisher_gets_a_channel_where_subscribers_have_used_theirs_up",
        ],
        ..REST
    },
    Share {
        what: ["forgotten channels", "channels of a shard that are gone"],
        bound: "{FORGOTTEN_CHANNELS} positions",
        kept: "beyond, one position stands for all others",
        tests: &["engine/src/broker/channel/forgotten/tests.rs::\
                  beyond_the_bound_no_position_is_used_twice"],
        ..REST
    },
    Share {
        what: ["mailbox", "publishers outside the engine, HTTP included"],
        bound: "{MAILBOX_MESSAGES} messages, {MAILBOX_BYTES} bytes",
        connection: "one publication: {MAX_PUBLICATION}",
        kept: "{CONTROL_COMMANDS} commands, and the order to drain",
        tests: &[
            "engine/src/api/publisher/tests.rs::a_mailbox_is_full_when_its_bytes_are_used_up",
            "engine/tests/sync_threads.rs::a_full_mailbox_still_takes_commands_and_the_last_one",
        ],
        ..REST
    },
    Share {
        what: ["publications to other shards", "clients of a shard that publish"],
        bound: "{PUBLISHING_BYTES_PER_SHARD} bytes",
        connection: "`max_message_size` each, within `message_rate`",
        tests: &["engine/src/broker/session/tests/caps.rs::\
                  what_other_shards_have_not_answered_is_bounded_in_bytes"],
        ..REST
    },
    Share {
        what: ["unswept bytes", "publishers of a shard"],
        bound: "{SHARD_UNSWEPT_BYTES} bytes; of one channel {CHANNEL_UNSWEPT_BYTES} bytes and \
                {CHANNEL_UNSWEPT_FRAMES} messages",
        tests: &["engine/src/broker/sim/mod.rs::what_is_not_swept_is_bounded_whoever_publishes"],
        ..REST
    },
    Share {
        what: ["lanes", "shards, two by two"],
        bound: "{PUBLISH_LANE} publications, {FANOUT_LANE} messages",
        kept: "{LANE_CREDITS} places for replies",
        tests: &[
            "engine/tests/sync_threads.rs::a_lane_is_a_bounded_queue_with_a_reserve_for_replies",
        ],
        ..REST
    },
    Share {
        what: ["logs", "channels of a shard"],
        bound: "`shard_log_bytes`, {DEFAULT_SHARD_LOG_BYTES} by default; of one channel \
                `log_bytes`, {DEFAULT_LOG_BYTES}, and `log_frames`, {DEFAULT_LOG_FRAMES}",
        kept: "what is not swept yet",
        tests: &["server/tests/faults_slow.rs::\
                  a_slow_consumer_is_told_of_with_the_limit_that_its_log_came_to"],
        ..REST
    },
    Share {
        what: ["last events for status requests", "channels of a shard"],
        bound: "{STATUS_BYTES_PER_SHARD} bytes",
        kept: "channels with subscribers keep theirs",
        tests: &["engine/src/broker/session/tests/coming_back.rs::\
                  with_half_the_places_taken_a_channel_without_subscribers_is_forgotten_early"],
        ..REST
    },
    Share {
        what: ["status documents", "API keys"],
        bound: "{STATUS_DOCUMENT_BYTES_PER_SHARD} bytes",
        key: "one document: {MAX_STATUS_DOCUMENT}",
        tests: &["engine/src/broker/hub/tests/status.rs::\
                  documents_have_a_bound_and_give_back_what_they_took"],
        ..REST
    },
    Share {
        what: ["request backlogs", "clients of a shard whose requests wait for another shard"],
        bound: "{REQUEST_BACKLOG_PER_SHARD} bytes",
        connection: "{REQUEST_BACKLOG} bytes, {MAX_WAITING_OPERATIONS} operations",
        tests: &["engine/src/broker/session/tests/shared_memory.rs::\
                  what_waits_behind_a_request_is_bounded_by_client_and_by_shard"],
        ..REST
    },
    Share {
        what: ["unfinished messages", "clients of a shard"],
        bound: "{UNFINISHED_BYTES_PER_SHARD} bytes",
        connection: "`max_message_size`, for {MESSAGE_TIMEOUT}; beyond the bound the one that \
                     holds most is closed",
        kept: "who holds less loses nothing",
        tests: &[
            "engine/src/broker/session/tests/floods.rs::\
             who_holds_most_of_unfinished_messages_gives_way_to_the_others",
            "engine/src/broker/session/tests/floods.rs::\
             a_message_has_its_time_to_come_whole_whatever_else_comes",
        ],
        ..REST
    },
    Share {
        what: ["laggards' memory", "slow subscribers of a shard"],
        bound: "{LAGGARD_BYTES_PER_SHARD} bytes",
        connection: "a write's rest and an outbox",
        tests: &["engine/src/broker/session/tests/shared_memory.rs::\
                  what_slow_clients_are_owed_is_bounded_and_who_needs_more_is_closed"],
        ..REST
    },
    Share {
        what: ["outbox", "replies to one laggard"],
        bound: "`max_outbox`, {DEFAULT_OUTBOX} by default",
        connection: "all of it",
        tests: &["server/tests/faults_slow.rs::\
                  a_client_that_does_not_read_its_replies_is_closed_with_4103"],
        ..REST
    },
    Share {
        what: ["chain nodes", "subscribers of several channels of a shard"],
        bound: "{CHAIN_NODES} nodes, {CHAIN_CACHE_BYTES} bytes",
        kept: "a sweep without nodes is written by itself",
        tests: &["engine/src/broker/sim/mod.rs::\
                  clients_in_many_channels_see_every_message_once_in_order"],
        ..REST
    },
    Share {
        what: ["handshakes", "connections of a shard that are not upgraded"],
        bound: "{MAX_HANDSHAKES} places",
        connection: "{MAX_PARTIAL_RECORD} and {MAX_UPGRADE_REQUEST} bytes, {HANDSHAKE_TIMEOUT}",
        kept: "with all places taken, who was silent for {HANDSHAKE_PATIENCE} is cut",
        tests: &["server/tests/handshakes_slow.rs::\
                  more_silent_connections_than_there_are_places_keep_nobody_out"],
        ..REST
    },
    Share {
        what: ["time for handshakes", "connections of a shard that are not upgraded"],
        bound: "{HANDSHAKE_SLICE} an iteration",
        kept: "beside deliveries, one part in {HANDSHAKE_SHARE} is for handshakes",
        tests: &["engine/src/shard/handshake/budget/tests.rs::\
                  beside_deliveries_steps_get_their_part_and_without_them_a_slice_and_never_more"],
        ..REST
    },
    Share {
        what: ["verifications", "clients of a shard that show a token"],
        bound: "{VERIFICATIONS_PER_SHARD} tokens",
        connection: "one token, {MAX_AUTH_MESSAGE} bytes, and {AUTH_BACKLOG} bytes behind it",
        kept: "shards: verifying threads have the least priority",
        tests: &["engine/src/broker/session/tests/caps.rs::\
                  a_storm_of_tokens_is_turned_away_and_not_queued"],
        ..REST
    },
    Share {
        what: ["receive buffers", "clients of a shard"],
        bound: "{RECEIVE_BUFFERS} of {RECEIVE_BUFFER} bytes",
        connection: "with `byte_rate` one at a time",
        tests: &["engine/src/shard/io/receive/tests.rs::\
                  a_flood_is_taken_in_as_far_as_its_burst_and_one_buffer"],
        ..REST
    },
    Share {
        what: ["an iteration's work", "clients and publishers of a shard"],
        bound: "{TURN_MESSAGES} messages, {SLICE_DELIVERIES} deliveries, {LAGGARDS_PER_TURN} \
                laggards, {REARMS_PER_TURN} receives",
        connection: "`message_rate`, {DEFAULT_MESSAGE_RATE} by default; PINGs, PONGs, fragments \
                     below {SMALL_FRAGMENT} bytes and TLS records without data count",
        kept: "small channels wait for two slices at most",
        tests: &[
            "engine/src/broker/sim/fairness.rs::a_huge_sweep_delays_a_small_channel_by_one_slice",
            "server/tests/floods.rs::what_floods_frames_is_told_and_held_back",
        ],
        ..REST
    },
    Share {
        what: ["places of an HTTP port", "publishers, health, scrapers"],
        bound: "{MAX_HTTP_CONNECTIONS} connections",
        connection: "{HTTP_HEADER_TIMEOUT} for a head, {HTTP_REQUEST_TIMEOUT} for a request",
        tests: &["server/tests/http_keep_alive.rs::a_head_that_does_not_come_is_not_waited_for"],
        ..REST
    },
    Share {
        what: ["bytes under way on an HTTP port", "publishers"],
        bound: NONE,
        connection: "{MAX_PUBLISH_BODY} bytes, {MAX_PUBLISH_BATCH} messages",
        tests: &["server/src/http/publish/tests.rs::too_much_is_413"],
        ..REST
    },
    Share {
        what: ["single messages that wait for a round", "publishers over HTTP"],
        bound: "{PUBLISH_QUEUE} messages",
        connection: "1",
        tests: &["server/src/http/publish_queue/tests.rs::\
                  a_full_queue_refuses_and_takes_again"],
        ..REST
    },
    Share {
        what: ["table of ids", "API keys and services"],
        bound: "{MAX_REPEATS} ids for {REPEAT_WINDOW}",
        key: "an equal share",
        service: "an equal share",
        kept: "the oldest of the owner that has most go first",
        tests: &[
            "server/src/http/idempotency/tests.rs::one_owner_s_ids_evict_no_other_s_share",
            "server/tests/http_publish.rs::one_key_s_ids_are_not_another_s",
        ],
        ..REST
    },
    Share {
        what: ["classes of metrics", "channels of a service that are published to"],
        bound: "{MAX_CLASSES} names of {MAX_CLASS_NAME} bytes",
        service: "{MAX_CLASSES}",
        kept: "further ones are counted as `other`",
        tests: &["engine/src/telemetry/recorder/tests.rs::\
                  classes_are_bounded_and_the_rest_is_other"],
        ..REST
    },
    Share {
        what: ["descriptors", "all sockets and files of the process"],
        bound: "`LimitNOFILE`",
        tests: &["engine/src/api/preflight/tests.rs::\
                  open_files_leave_room_for_uneven_shards_and_handshakes"],
        ..REST
    },
    Share {
        what: ["log lines", "places in the code"],
        bound: "{LOG_LINES_PER_SECOND} a second and place",
        kept: "the number of lines that were cut is logged",
        tests: &["server/src/log/rate_limit/tests.rs::\
                  a_hot_error_is_cut_and_counted_and_others_are_not"],
        ..REST
    },
];

/// The section of docs/LIMITS.md.
pub(super) fn section(limits: &Limits) -> String {
    let mut page = String::from(
        "\n## Shares\n\nWhat clients, publishers and shards share, the part of it that one of them \
         may take, and the tests that exhaust it. A dash: there is no such share.\n\n\
         | what | shared by | bound | of a connection | of an address | of a key | of a service \
         | kept back | tests |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for share in SHARES {
        let Share { what, bound, connection, address, key, service, kept, tests } = share;
        let cells = [what[0], what[1], bound, connection, address, key, service, kept];
        for cell in cells {
            page.push_str(&format!("| {} ", limits.with_values(cell)));
        }
        let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
        page.push_str(&format!("| {} |\n", tests.join(", ")));
    }
    page
}

#[test]
fn every_share_is_exhausted_by_a_test_that_exists() {
    let mut faults = Vec::new();
    for Share { what, tests, .. } in SHARES {
        if tests.is_empty() {
            faults.push(format!("{}: no test exhausts it", what[0]));
        }
        let missing = tests.iter().filter(|test| !is_a_test(test));
        faults.extend(missing.map(|test| format!("{}: no test {test}", what[0])));
    }
    report(&faults);
}
