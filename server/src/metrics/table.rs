//! Every metric there is: from this table come HELP and TYPE, and docs/METRICS.md. A test holds it
//! against what a running server exposes and against what the dashboards ask for.

use uringcast_engine::exposition::FAMILY;
pub use uringcast_engine::exposition::{Kind, Row};

/// All metrics, in the order of docs/METRICS.md: the family's, whose rows the engine has, and ours.
pub const TABLE: &[Row] = &{
    let mut all = [FAMILY[0]; FAMILY.len() + OWN.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < FAMILY.len() { FAMILY[i] } else { OWN[i - FAMILY.len()] };
        i += 1;
    }
    all
};

macro_rules! table {
    ($($group:literal {
        $($kind:ident $name:literal [$labels:literal] $help:literal, $reason:literal;)+
    })+) => {
        /// Those of the engine and the server.
        const OWN: &[Row] = &[$($(Row {
            group: $group,
            name: $name,
            kind: Kind::$kind,
            labels: $labels,
            help: $help,
            reason: $reason,
        },)+)+];
    };
}

table! {
    "Delivery" {
        Counter "uringcast_deliveries_total" ["server"]
            "Messages written whole to a live subscriber.",
            "The work done: one per message and subscriber.";
        Counter "uringcast_delivery_bytes_total" ["server"]
            "Bytes of messages written whole to live subscribers.",
            "Bandwidth, before TLS.";
        Counter "uringcast_delivery_writes_total" ["server"]
            "Writes of one or more joined messages to live subscribers.",
            "Coalescing factor: deliveries by writes. It rises when turns get long.";
        Histogram "uringcast_delivery_duration_seconds" ["server channel"]
            "From accepting a broadcast to handing one subscriber's bytes to the kernel.",
            "What a single subscriber sees, unlike the last one's.";
        Counter "uringcast_refused_total" ["server"]
            "Publications refused for want of room in the channel's log.",
            "Backpressure: the engine is saturated.";
        Counter "uringcast_channel_refusals_total" ["server"]
            "Times a channel was refused because its shard has shard_channels of them.",
            "Too many names: a publisher that makes channels, or a limit that is too low.";
        Counter "uringcast_mailbox_refusals_total" ["server"]
            "Times a publisher outside the engine found a shard's mailbox full.",
            "Backpressure: publishers are faster than a shard.";
        Counter "uringcast_lane_full_total" ["server"]
            "Times the lane from one shard to another was full.",
            "One shard cannot keep up with the others.";
        Counter "uringcast_rejoins_total" ["server"]
            "Times a shard joined a channel again because a message was missing.",
            "Should stay 0 unless lanes are full.";
    }
    "Slow subscribers" {
        Counter "uringcast_laggards_total" ["server"]
            "Times a subscriber could not take its bytes and fell behind.",
            "Who suffers: clients or their network.";
        Gauge "uringcast_laggards_now" ["server state"]
            "Subscribers that are behind now, by what they are up to; a second old at most.",
            "Stuck (waiting) or on their way back (reading).";
        Gauge "uringcast_laggard_bytes" ["server"]
            "Bytes held for subscribers that are behind.",
            "Memory that slow subscribers cost.";
        Counter "uringcast_catch_ups_total" ["server"]
            "Messages that reached a subscriber by catching up from the log.",
            "Deliveries that are not in the delivery histogram, because their lateness is theirs.";
        Counter "uringcast_recoveries_total" ["server"]
            "Times a subscriber that was behind became live again.",
            "Laggards that made it.";
        Histogram "uringcast_catch_up_duration_seconds" ["server"]
            "Time a subscriber that fell behind needed to be live again.",
            "How long a hiccup lasts.";
        Counter "uringcast_missed_total" ["server"]
            "Messages the log dropped before a subscriber or a shard read them.",
            "Loss that was told as a gap; should stay 0.";
    }
    "Connections" {
        Counter "uringcast_accepts_total" ["server"]
            "Connections accepted by the listeners.",
            "Against websocket_connections_total: who never gets through the upgrade.";
        Gauge "uringcast_handshakes" ["server"]
            "Handshakes under way.",
            "A storm of reconnects, or peers that say nothing.";
        Gauge "uringcast_handshakes_waiting" ["server"]
            "Steps of handshakes that wait for their share of a shard's time.",
            "A storm of reconnects that is held back for the sake of broadcasts.";
        Counter "uringcast_handshake_waits_total" ["server"]
            "Steps of handshakes that had to wait for their share of a shard's time.",
            "How much of the reconnecting was held back.";
        Histogram "uringcast_handshake_duration_seconds" ["server"]
            "From accepting a connection to its upgrade, TLS included.",
            "How long a reconnect takes.";
        Counter "uringcast_closes_total" ["server code reason"]
            "Connections that ended, by close code and reason.",
            "Who left and whom we closed.";
        Gauge "uringcast_connections_limit" ["server"]
            "Connections the service takes at most (max_connections).",
            "How full it is: websocket_connections_active by this.";
        Gauge "uringcast_connection_slots" ["server"]
            "Connections the delivery rings have room for, more than max_connections.",
            "A shard that is full before the service is; LimitNOFILE may bound it.";
        Counter "uringcast_byte_pauses_total" ["server"]
            "Times a connection was not read for a while because of the limit on bytes a second.",
            "Clients over byte_rate, who wait.";
        Counter "uringcast_api_requests_total" ["server key code"]
            "HTTP requests to the control port, by the name of their API key and status.",
            "Who publishes over HTTP, and who is refused.";
        Gauge "uringcast_subscriptions" ["server"]
            "Subscriptions now.",
            "The size of the fan-out.";
    }
    "TLS" {
        Gauge "tls_connections" ["server mode"]
            "Open TLS connections by who encrypts: user space or the kernel.",
            "What --ktls came to.";
        Counter "uringcast_tls_fallbacks_total" ["server"]
            "Connections that kernel TLS was wanted for and could not be given.",
            "Ciphers or keys that the kernel does not take.";
        Counter "uringcast_tls_key_updates_total" ["server"]
            "KeyUpdates of kernel-TLS clients that were followed.",
            "Clients that rekey.";
        Counter "uringcast_tls_handshakes_full_total" ["server"]
            "TLS handshakes made in full.",
            "Whether reconnecting clients start from nothing.";
        Counter "uringcast_tls_handshakes_resumed_total" ["server"]
            "TLS handshakes that took up an earlier session.",
            "Whether session tickets are used.";
        Gauge "tls_certificate_not_after_seconds" ["server certificate"]
            "When a certificate that is served ends, in seconds since 1970.",
            "A certificate that nobody renews.";
        Counter "tls_reloads_total" ["server result"]
            "Reloads of the certificates; one that failed kept the old ones.",
            "A renewal that does not reach the server.";
    }
    "Logs" {
        Gauge "uringcast_channels" ["server"]
            "Channels known now, counted by every shard that has subscribers.",
            "Names that leak.";
        Gauge "uringcast_log_bytes" ["server"]
            "Bytes held by the channels' logs.",
            "Memory that history costs, against shard_log_bytes.";
        Counter "uringcast_log_evictions_total" ["server"]
            "Messages the logs dropped by their limits.",
            "How fast history passes.";
    }
    "Shards" {
        Counter "uringcast_shard_busy_seconds_total" ["server shard"]
            "CPU time of the shard's thread.",
            "Utilisation; its spread over the shards is the imbalance.";
        Counter "uringcast_shard_deliveries_total" ["server shard"]
            "Messages written whole to live subscribers of the shard.",
            "Why a shard is busier than another.";
        Gauge "uringcast_shard_connections" ["server shard"]
            "Connections of the shard, without canaries.",
            "Imbalance of connections: the kernel spreads them by chance.";
        Gauge "uringcast_shard_mailbox_messages" ["server shard"]
            "Publications and commands waiting for the shard.",
            "Saturation: it grows when the shard cannot keep up.";
        Histogram "uringcast_turn_duration_seconds" ["server"]
            "Length of one turn of a shard's loop.",
            "How long anything may have to wait for its turn; its count is that of the turns.";
    }
    "Delivery rings" {
        Counter "uringcast_ring_enters_total" ["server"]
            "System calls (io_uring_enter) of the delivery rings.",
            "System calls by delivery: what batching saves.";
        Counter "uringcast_ring_entries_total" ["server"]
            "Entries submitted to the delivery rings.",
            "Operations asked of the kernel.";
        Counter "uringcast_ring_completions_total" ["server"]
            "Completions of the delivery rings, of whatever kind.",
            "Receives, polls and exceptions; whole sends complete silently.";
        Counter "uringcast_send_completions_total" ["server"]
            "Sends that were short, refused or failed.",
            "Near 0 while everybody keeps up.";
        Histogram "uringcast_batch_writes" ["server"]
            "Writes of one submission.",
            "Whether the rings are used in bulk.";
        Counter "uringcast_buffers_exhausted_total" ["server"]
            "Receives that found no free buffer.",
            "Clients send faster than a shard reads.";
        Counter "uringcast_ring_overflows_total" ["server"]
            "Completions the kernel had to keep aside.",
            "Should stay 0.";
    }
    "Objective and canary" {
        Counter "uringcast_slo_deliveries_total" ["server"]
            "Deliveries that count for the objective (with slo_p99).",
            "Error budget: all.";
        Counter "uringcast_slo_deliveries_within_total" ["server"]
            "Deliveries within the objective's time (with slo_p99).",
            "Error budget: the good ones.";
        Gauge "uringcast_slo_objective_seconds" ["server"]
            "The objective's time (slo_p99).",
            "The line in a latency panel.";
        Gauge "uringcast_slo_target_ratio" ["server"]
            "The part of all deliveries that must be within the objective's time.",
            "What burn rates are measured by.";
        Histogram "canary_latency_seconds" ["server shard"]
            "From publishing a probe to receiving it as a client of the shard.",
            "The whole way, listener, TLS and kernel included, seen from outside.";
        Counter "canary_failures_total" ["server shard"]
            "Probes that did not arrive in time, or for want of a connection.",
            "A shard that does not serve, whatever it says itself.";
    }
    "Process" {
        Gauge "uringcast_build_info" ["server version"]
            "The running version, as a label; always 1.",
            "Which version made a change.";
        Counter "process_cpu_seconds_total" [""]
            "Total user and system CPU time spent in seconds.",
            "The control plane's share: less the shards'.";
        Gauge "process_open_fds" [""]
            "Number of open file descriptors.",
            "Against process_max_fds.";
        Gauge "process_max_fds" [""]
            "Maximum number of open file descriptors.",
            "The limit for descriptors, and for each ring's slots.";
        Gauge "process_resident_memory_bytes" [""]
            "Resident memory size in bytes.",
            "Memory, without the kernel's share for sockets.";
        Gauge "process_virtual_memory_bytes" [""]
            "Virtual memory size in bytes.",
            "Large by design: tables are reserved at once and touched later.";
        Gauge "process_start_time_seconds" [""]
            "Start time of the process since unix epoch in seconds.",
            "Restarts.";
        Gauge "process_threads" [""]
            "Number of OS threads in the process.",
            "One per shard and a few.";
    }
}

/// The row of a metric of ours.
pub(super) fn row(name: &str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is not in TABLE"))
}

/// The table as Markdown: docs/METRICS.md.
pub fn markdown() -> String {
    let mut text = String::from(include_str!("markdown_head.md"));
    let mut group = "";
    for row in TABLE {
        if row.group != group {
            group = row.group;
            text += &format!(
                "\n## {group}\n\n| metric | type | labels | meaning | why it is there |\n\
                 |---|---|---|---|---|\n"
            );
        }
        let labels: Vec<String> = row.labels.split(' ').map(|label| format!("`{label}`")).collect();
        let labels = if row.labels.is_empty() { "–".into() } else { labels.join(" ") };
        let (name, kind, help, reason) = (row.name, row.kind.text(), row.help, row.reason);
        text += &format!("| `{name}` | {kind} | {labels} | {help} | {reason} |\n");
    }
    text
}
