//! What the process shares: its HTTP ports, descriptors, logs and tables.

use super::shares::{NONE, REST, Share};

pub(super) const SHARES: &[Share] = &[
    Share {
        what: ["connections", "clients of a service"],
        bound: "`max_connections`, {DEFAULT_MAX_CONNECTIONS} by default; of a shard \
                {MAX_CONNECTIONS_PER_SHARD}",
        connection: "1",
        address: "`max_connections_per_address`; no limit by default",
        service: "its own `max_connections`",
        kept: "probes and live pages are not counted; only a key for all services learns their \
               path",
        tests: &[
            "server/tests/wire/faults_slow.rs::one_connection_too_many_is_closed_with_1013",
            "server/tests/wire/faults_auth.rs::\
             one_connection_too_many_from_an_address_is_answered_429",
        ],
        ..REST
    },
    Share {
        what: ["single messages that wait for a round", "publishers over HTTP"],
        bound: "{PUBLISH_QUEUE} messages",
        connection: "1",
        key: "its places on the HTTP port",
        service: NONE,
        tests: &["server/src/http/publish_queue/tests.rs::a_full_queue_refuses_and_takes_again"],
        ..REST
    },
    Share {
        what: ["questions about connections and channels", "API keys"],
        bound: "one an iteration of a shard, of {CONNECTION_LOOKS} connections or \
                {LISTING_LOOKS} channels",
        connection: "1",
        key: "its places on the HTTP port",
        service: NONE,
        kept: "messages go on between two questions",
        tests: &[
            "engine/src/broker/hub/tests/connections.rs::\
             a_search_of_many_takes_bounded_steps_and_finds_all",
            "engine/src/broker/hub/tests/disconnect.rs::\
             a_disconnect_of_many_takes_several_bounded_steps",
        ],
        ..REST
    },
    Share {
        what: ["places of an HTTP port", "publishers, health, scrapers"],
        bound: "{MAX_HTTP_CONNECTIONS} connections of publishers and {NEW_HTTP_CONNECTIONS} \
                others, fewer with few descriptors",
        connection: "{HTTP_HEADER_TIMEOUT} for a head, {HTTP_REQUEST_TIMEOUT} for a request, \
                     {HTTP_WRITE_TIMEOUT} to take something of an answer",
        address: NONE,
        key: "an equal share; idle for {HTTP_IDLE}, the one that has most loses one",
        service: "that of its keys",
        kept: "the {NEW_HTTP_CONNECTIONS}, of which the oldest goes for a newer one",
        tests: &[
            "server/tests/wire/http_shares.rs::\
             connections_that_read_no_answer_lock_neither_health_nor_publishers_out",
            "server/tests/wire/http_shares.rs::\
             idle_streams_of_one_key_leave_places_to_another_and_go_for_newer_ones",
            "server/tests/wire/http_shares.rs::connections_that_are_kept_and_idle_go_first",
            "server/tests/wire/http_shares.rs::a_peer_that_takes_nothing_of_its_answers_is_cut",
        ],
    },
    Share {
        what: ["heads under way on an HTTP port", "publishers, health, scrapers"],
        bound: "{MAX_HTTP_HEAD} bytes of each connection, for {HTTP_HEADER_TIMEOUT}",
        connection: "all of it; {MAX_PLAIN_REQUEST} bytes of a small request, head and body",
        address: NONE,
        tests: &[
            "server/tests/wire/http_shares.rs::a_head_has_16_kib_at_most",
            "server/tests/wire/http_keep_alive.rs::a_head_that_does_not_come_is_not_waited_for",
        ],
        ..REST
    },
    Share {
        what: ["answers of an HTTP port", "publishers, health, scrapers"],
        bound: "{HTTP_SEND_BUFFER} bytes of each connection",
        connection: "all of it, for {HTTP_WRITE_TIMEOUT}",
        address: NONE,
        tests: &["server/tests/wire/http_shares.rs::\
                  answers_that_are_not_read_fill_no_more_than_a_buffer"],
        ..REST
    },
    Share {
        what: ["bodies under way on an HTTP port", "publishers"],
        bound: "{HTTP_BODY_BYTES} bytes",
        connection: "{MAX_PUBLISH_BODY} bytes, {MAX_PUBLISH_BATCH} messages",
        key: "{HTTP_BODY_BYTES_PER_KEY} bytes",
        service: "that of its keys",
        kept: "bodies of {MAX_PLAIN_REQUEST} bytes do not count",
        tests: &[
            "server/tests/wire/http_shares.rs::\
             bodies_under_way_have_a_budget_for_each_key_and_for_all",
            "server/tests/wire/http_shares.rs::what_will_be_refused_is_refused_before_it_is_read",
            "server/src/http/publish/tests.rs::too_much_is_413",
        ],
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
            "server/tests/wire/http_publish.rs::one_key_s_ids_are_not_another_s",
        ],
        ..REST
    },
    Share {
        what: ["ids of clients' publications", "users of a shard's channels"],
        bound: "{PUBLISHED_IDS} ids for {PUBLISHED_ID_WINDOW}",
        connection: "an equal share of its user",
        service: "an equal share of each user",
        kept: "the oldest of the user that has most go first",
        tests: &["engine/src/broker/published_ids/tests.rs::who_has_the_most_ids_loses_the_oldest"],
        ..REST
    },
    Share {
        what: ["revocations of tokens", "API keys and services"],
        bound: "{MAX_REVOCATIONS}, for {MAX_REVOCATION} at most",
        key: NONE,
        service: "one part in {SERVICE_SHARE}, of several",
        kept: "none is evicted; a second one of the same tokens takes no place",
        tests: &[
            "server/src/auth/revocations/tests.rs::a_revocation_ends_at_its_time_and_none_before",
            "server/src/auth/revocations/tests.rs::\
             a_service_of_several_leaves_half_of_the_places_to_the_others",
        ],
        ..REST
    },
    Share {
        what: ["classes of metrics", "channels of a service that are published to"],
        bound: "{MAX_CLASSES} names of {MAX_CLASS_NAME} bytes",
        key: NONE,
        service: "{MAX_CLASSES}",
        kept: "further ones are counted as `other`; one that was idle for {CLASS_IDLE} goes",
        tests: &[
            "engine/src/telemetry/recorder/tests.rs::classes_are_bounded_and_the_rest_is_other",
            "engine/src/telemetry/recorder/tests.rs::\
             a_class_that_was_idle_for_long_gives_its_place_back",
        ],
        ..REST
    },
    Share {
        what: ["descriptors", "all sockets and files of the process"],
        bound: "`LimitNOFILE`",
        connection: "1",
        address: NONE,
        key: NONE,
        service: NONE,
        kept: "32 for files; what can be spared is shared by handshakes, at least \
               {LEAST_HANDSHAKES} a shard, and HTTP ports",
        tests: &[
            "server/tests/wire/http_shares.rs::\
             silent_sockets_leave_descriptors_to_health_metrics_and_files",
            "engine/src/api/host_limits/tests.rs::\
             handshakes_leave_descriptors_to_the_rest_of_the_process",
            "engine/src/api/preflight/tests.rs::\
             open_files_leave_room_for_uneven_shards_and_handshakes",
        ],
    },
    Share {
        what: ["log", "places in the code"],
        bound: "{LOG_QUEUE} lines that wait, {LOG_LINES_PER_SECOND} a second and place",
        kept: "lines that were cut or lost are counted",
        tests: &[
            "server/tests/wire/stalls.rs::\
             a_log_that_nobody_reads_delays_no_client_and_what_is_lost_is_told",
            "server/src/log/rate_limit/tests.rs::a_hot_error_is_cut_and_counted_and_others_are_not",
        ],
        ..REST
    },
    Share {
        what: ["access log", "connections that end"],
        bound: "{ACCESS_LOG_QUEUE} ends that wait",
        connection: "1",
        address: NONE,
        service: NONE,
        kept: "lines that were lost are counted",
        tests: &["engine/src/shard/tests.rs::\
             an_access_log_that_takes_nothing_loses_lines_and_holds_nothing_up"],
        ..REST
    },
];
