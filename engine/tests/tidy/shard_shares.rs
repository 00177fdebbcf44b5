//! What a shard shares: its tables, buffers, lanes and time.

use super::shares::{NONE, REST, Share};

pub(super) const SHARES: &[Share] = &[
    Share {
        what: ["table of channels", "clients and publishers of a shard"],
        bound: "`shard_channels`, {MAX_CHANNELS_PER_SHARD} by default",
        connection: "one part in {CONNECTION_CHANNELS} of what nothing is published to; \
                     `max_subscriptions`, {MAX_SUBSCRIPTIONS}",
        address: "one part in {ADDRESS_CHANNELS} of that",
        key: NONE,
        service: "one part in {SERVICE_SHARE} of that, of several services",
        kept: "one part in {PUBLISHED_CHANNELS} for channels that are published to",
        tests: &[
            "server/tests/wire/faults_auth.rs::\
             a_connection_has_a_share_of_the_channels_that_nothing_was_published_to",
            "engine/src/broker/session/tests/channel_shares.rs::one_address_cannot_take_the_table",
            "engine/src/broker/session/tests/service_shares.rs::\
             channels_of_subscribers_are_shared_between_services",
            "engine/src/broker/session/tests/channel_shares.rs::\
             a_publisher_gets_a_channel_where_subscribers_have_used_theirs_up",
        ],
    },
    Share {
        what: ["patterns", "clients of a shard"],
        bound: "{PATTERNS_PER_SHARD} different ones",
        connection: "{PATTERNS_PER_CONNECTION}",
        address: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        tests: &[
            "engine/src/broker/patterns/tests.rs::\
             the_patterns_of_a_shard_are_shared_between_services",
            "server/tests/wire/faults_messages.rs::one_pattern_too_many_is_refused",
        ],
        ..REST
    },
    Share {
        what: ["forgotten channels", "channels of a shard that are gone"],
        bound: "{FORGOTTEN_CHANNELS} positions",
        key: NONE,
        service: NONE,
        kept: "beyond, one position stands for all others",
        tests: &["engine/src/broker/channel/forgotten/tests.rs::\
             beyond_the_bound_no_position_is_used_twice"],
        ..REST
    },
    Share {
        what: ["rosters of presence", "subscribers of channels whose class keeps presence"],
        bound: "a subscription each; {PRESENCE_NAMED} members are named, more are counted",
        connection: "`max_subscriptions`, {MAX_SUBSCRIPTIONS}",
        address: NONE,
        key: NONE,
        service: NONE,
        kept: "{PRESENCE_EVENTS} events an iteration, and within what the log takes",
        tests: &["engine/src/roster/tests.rs::\
             many_are_counted_and_named_again_when_they_are_few"],
    },
    Share {
        what: ["compressors", "channels of a shard with subscribers that follow their context"],
        bound: "{CONTEXTS_PER_SHARD}, {CONTEXT_MEMORY} bytes each",
        key: NONE,
        service: NONE,
        kept: "beyond, messages are compressed by themselves; idle ones go after {CONTEXT_IDLE}",
        tests: &[
            "engine/src/broker/sim/deflating.rs::beyond_the_bound_channels_have_no_compressor",
        ],
        ..REST
    },
    Share {
        what: ["messages of a log that requests read", "clients of a shard and API keys"],
        bound: "{HISTORY_MESSAGES} messages and {HISTORY_BYTES} bytes of one answer",
        connection: "one request at a time, within `message_rate`; an answer has one part in \
                     {HISTORY_ANSWER_SHARE} of `max_outbox`",
        address: NONE,
        key: "its places on the HTTP port",
        service: NONE,
        tests: &[
            "engine/src/broker/session/tests/history.rs::\
             an_answer_is_bounded_in_bytes_has_one_message_at_least_and_is_counted",
            "server/tests/wire/history.rs::an_answer_has_a_mebibyte_or_one_message",
            "server/tests/wire/history.rs::what_a_client_is_answered_fits_half_of_its_outbox",
        ],
        ..REST
    },
    Share {
        what: ["state documents", "API keys"],
        bound: "one part in {STATE_SHARE} of `shard_log_bytes`; of one document {MAX_STATE} bytes",
        key: NONE,
        service: "one part in {SERVICE_SHARE} of that, of several services",
        kept: "a document can be replaced and deleted; logs give way to states",
        tests: &[
            "engine/src/broker/session/tests/states.rs::\
             states_have_a_share_of_the_bytes_of_logs_and_give_back_what_they_took",
            "engine/src/broker/session/tests/states.rs::what_states_take_logs_do_not_keep",
        ],
        ..REST
    },
    Share {
        what: ["mailbox", "publishers outside the engine, HTTP included"],
        bound: "{MAILBOX_MESSAGES} messages, {MAILBOX_BYTES} bytes",
        connection: "one publication: {MAX_PUBLICATION}",
        key: NONE,
        service: NONE,
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
        address: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        tests: &[
            "engine/src/broker/session/tests/caps.rs::\
             what_other_shards_have_not_answered_is_bounded_in_bytes",
            "engine/src/broker/session/tests/service_shares.rs::\
             publications_under_way_are_shared_between_services",
        ],
        ..REST
    },
    Share {
        what: ["unswept bytes", "publishers of a shard"],
        bound: "{SHARD_UNSWEPT_BYTES} bytes; of one channel {CHANNEL_UNSWEPT_BYTES} bytes and \
                {CHANNEL_UNSWEPT_FRAMES} messages",
        connection: "within `message_rate`",
        address: NONE,
        key: NONE,
        service: NONE,
        tests: &["engine/src/broker/sim/mod.rs::what_is_not_swept_is_bounded_whoever_publishes"],
        ..REST
    },
    Share {
        what: ["lanes", "shards, two by two"],
        bound: "{PUBLISH_LANE} publications; {FANOUT_LANE} messages, {FANOUT_LANE_BYTES} bytes \
                of them",
        service: NONE,
        kept: "{LANE_CREDITS} places for replies",
        tests: &[
            "engine/tests/sync_threads.rs::a_lane_is_a_bounded_queue_with_a_reserve_for_replies",
            "engine/src/shard/mesh/tests.rs::frames_on_the_way_are_bounded_in_bytes",
        ],
        ..REST
    },
    Share {
        what: ["logs", "channels of a shard"],
        bound: "`shard_log_bytes`, {DEFAULT_SHARD_LOG_BYTES} by default; of one channel \
                `log_bytes`, {DEFAULT_LOG_BYTES}, and `log_frames`, {DEFAULT_LOG_FRAMES}",
        key: NONE,
        service: NONE,
        kept: "what is not swept yet",
        tests: &["server/tests/wire/faults_slow.rs::\
             a_slow_consumer_is_told_of_with_the_limit_that_its_log_came_to"],
        ..REST
    },
    Share {
        what: ["last events for status requests", "channels of a shard"],
        bound: "{STATUS_BYTES_PER_SHARD} bytes",
        key: NONE,
        service: NONE,
        kept: "channels with subscribers keep theirs",
        tests: &["engine/src/broker/session/tests/coming_back.rs::\
             with_half_the_places_taken_a_channel_without_subscribers_is_forgotten_early"],
        ..REST
    },
    Share {
        what: ["status documents", "API keys"],
        bound: "{STATUS_DOCUMENT_BYTES_PER_SHARD} bytes; of one document {MAX_STATUS_DOCUMENT}",
        key: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        kept: "a document can be replaced and deleted",
        tests: &[
            "engine/src/broker/hub/tests/status.rs::\
             documents_have_a_bound_and_give_back_what_they_took",
            "engine/src/broker/hub/tests/status.rs::documents_are_shared_between_services",
        ],
        ..REST
    },
    Share {
        what: ["request backlogs", "clients of a shard whose requests wait for another shard"],
        bound: "{REQUEST_BACKLOG_PER_SHARD} bytes",
        connection: "{REQUEST_BACKLOG} bytes, {MAX_WAITING_OPERATIONS} operations",
        address: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        tests: &[
            "engine/src/broker/session/tests/shared_memory.rs::\
             what_waits_behind_a_request_is_bounded_by_client_and_by_shard",
            "engine/src/broker/shared_count/tests.rs::\
             of_several_each_service_has_its_share_of_what_all_may_have",
        ],
        ..REST
    },
    Share {
        what: ["unfinished messages", "clients of a shard"],
        bound: "{UNFINISHED_BYTES_PER_SHARD} bytes",
        connection: "`max_message_size`, for {MESSAGE_TIMEOUT}; beyond the bound the one that \
                     holds most is closed",
        address: NONE,
        service: "beyond the bound the one that holds most loses",
        kept: "who holds less loses nothing",
        tests: &[
            "engine/src/broker/session/tests/floods.rs::\
             who_holds_most_of_unfinished_messages_gives_way_to_the_others",
            "engine/src/broker/session/tests/service_shares.rs::\
             the_service_that_holds_most_of_unfinished_messages_gives_way",
            "engine/src/broker/session/tests/floods.rs::\
             a_message_has_its_time_to_come_whole_whatever_else_comes",
        ],
        ..REST
    },
    Share {
        what: ["laggards' memory", "slow subscribers of a shard"],
        bound: "{LAGGARD_BYTES_PER_SHARD} bytes",
        connection: "a write's rest and an outbox",
        address: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        tests: &[
            "engine/src/broker/session/tests/shared_memory.rs::\
             what_slow_clients_are_owed_is_bounded_and_who_needs_more_is_closed",
            "engine/src/broker/shared_count/tests.rs::\
             of_several_each_service_has_its_share_of_what_all_may_have",
        ],
        ..REST
    },
    Share {
        what: ["outbox", "replies to one laggard"],
        bound: "`max_outbox`, {DEFAULT_OUTBOX} by default; one reply alone may be larger",
        connection: "all of it",
        tests: &["server/tests/wire/faults_slow.rs::\
             a_client_that_does_not_read_its_replies_is_closed_with_4103"],
        ..REST
    },
    Share {
        what: ["what comes behind a close", "one connection that is being closed"],
        bound: "{CLOSING_BYTES} bytes, {CLOSE_TIMEOUT}",
        connection: "all of it",
        tests: &[
            "engine/src/broker/session/tests/floods.rs::\
             a_client_that_is_closed_may_send_so_much_more_and_is_cut",
            "engine/src/broker/session/tests/floods.rs::\
             a_close_that_is_not_answered_has_one_deadline",
        ],
        ..REST
    },
    Share {
        what: ["chain nodes", "subscribers of several channels of a shard"],
        bound: "{CHAIN_NODES} nodes, {CHAIN_CACHE_BYTES} bytes",
        connection: NONE,
        address: NONE,
        service: NONE,
        kept: "a sweep without nodes is written by itself",
        tests: &["engine/src/broker/sim/mod.rs::\
             clients_in_many_channels_see_every_message_once_in_order"],
        ..REST
    },
    Share {
        what: ["handshakes", "connections of a shard that are not upgraded"],
        bound: "{MAX_HANDSHAKES} places, fewer with few descriptors",
        connection: "{MAX_PARTIAL_RECORD} and {MAX_UPGRADE_REQUEST} bytes, {HANDSHAKE_TIMEOUT}",
        address: NONE,
        service: NONE,
        kept: "with all places taken, who was silent for {HANDSHAKE_PATIENCE} is cut",
        tests: &["server/tests/wire/handshakes_slow.rs::\
             more_silent_connections_than_there_are_places_keep_nobody_out"],
        ..REST
    },
    Share {
        what: ["time for handshakes", "connections of a shard that are not upgraded"],
        bound: "{HANDSHAKE_SLICE} an iteration",
        connection: NONE,
        address: NONE,
        service: NONE,
        kept: "beside deliveries, one part in {HANDSHAKE_SHARE} is for handshakes; of \
               {QUICK_STEPS} quick steps and one, one is of a full handshake",
        tests: &[
            "engine/src/shard/handshake/budget/tests.rs::\
             beside_deliveries_steps_get_their_part_and_without_them_a_slice_and_never_more",
            "engine/src/shard/handshake/budget/tests.rs::\
             quick_steps_go_first_and_full_ones_are_not_starved",
        ],
        ..REST
    },
    Share {
        what: ["verifications", "clients of a shard that show a token"],
        bound: "{VERIFICATIONS_PER_SHARD} tokens",
        connection: "one token, {MAX_AUTH_MESSAGE} bytes, and {AUTH_BACKLOG} bytes behind it",
        address: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        kept: "shards: verifying threads have the least priority",
        tests: &[
            "engine/src/broker/session/tests/caps.rs::\
             a_storm_of_tokens_is_turned_away_and_not_queued",
            "engine/src/broker/session/tests/service_shares.rs::\
             verifications_are_shared_between_services",
        ],
        ..REST
    },
    Share {
        what: ["receive buffers", "clients of a shard"],
        bound: "{RECEIVE_BUFFERS} of {RECEIVE_BUFFER} bytes",
        connection: "with `message_rate` or `byte_rate` one at a time",
        address: NONE,
        service: NONE,
        tests: &["engine/src/shard/io/receive/tests.rs::\
             a_flood_is_taken_in_as_far_as_its_burst_and_one_buffer"],
        ..REST
    },
    Share {
        what: ["an iteration's work", "clients and publishers of a shard"],
        bound: "{TURN_MESSAGES} messages, one more for each {RECEIVE_BUFFER} bytes, \
                {SLICE_DELIVERIES} deliveries, one more for each {DELIVERY_BYTES} bytes, \
                {LAGGARDS_PER_TURN} laggards, {REARMS_PER_TURN} receives",
        connection: "`message_rate`, {DEFAULT_MESSAGE_RATE} by default; PINGs, PONGs, \
                     fragments below {SMALL_FRAGMENT} bytes and TLS records without data \
                     count, and have {SMALL_FRAME_RATE} where messages have no rate",
        address: NONE,
        key: NONE,
        service: NONE,
        kept: "small channels wait for two slices at most; the control thread gives way to \
               shards for each {CPU_TURN} bytes of bodies",
        tests: &[
            "engine/src/broker/sim/fairness.rs::a_huge_sweep_delays_a_small_channel_by_one_slice",
            "engine/src/broker/sim/fairness.rs::a_sweep_of_large_messages_has_shorter_slices",
            "engine/src/broker/session/tests/floods.rs::\
             a_flood_of_pings_is_held_back_where_messages_have_no_rate",
            "server/tests/wire/floods.rs::what_floods_frames_is_told_and_held_back",
        ],
    },
    Share {
        what: ["channels that requests name", "clients of a shard that subscribe and unsubscribe"],
        bound: "{TURN_CHANNELS} an iteration, beside the first of each request",
        connection: "one request of {MAX_CHANNELS_PER_REQUEST} at a time",
        address: NONE,
        service: NONE,
        kept: "all other messages go before a request that was postponed",
        tests: &[
            "engine/src/broker/session/tests/postponed.rs::\
             a_storm_of_requests_for_many_channels_lets_others_between",
            "engine/src/broker/session/tests/postponed.rs::\
             what_a_client_sends_behind_a_postponed_request_waits_for_it",
        ],
        ..REST
    },
];
