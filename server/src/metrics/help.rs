//! What the engine's own numbers mean, for whoever reads them on a dashboard.

use uringcast_engine::telemetry::{Count, Gauge};

pub(super) fn count(what: Count) -> &'static str {
    match what {
        Count::Deliveries => "Messages written whole to a live subscriber.",
        Count::DeliveryBytes => "Bytes of messages written whole to live subscribers.",
        Count::CatchUps => "Messages that reached a subscriber by catching up from the log.",
        Count::Laggards => "Times a subscriber could not take its bytes and fell behind.",
        Count::Recoveries => "Times a subscriber that was behind became live again.",
        Count::Missed => "Messages the log dropped before a subscriber or a shard read them.",
        Count::Refused => "Publications refused for want of room.",
        Count::Turns => "Turns of the shards' loops.",
        Count::RingEnters => "System calls (io_uring_enter) of the delivery rings.",
        Count::RingEntries => "Entries submitted to the delivery rings.",
        Count::SendCompletions => "Sends that were short, refused or failed.",
        Count::BuffersExhausted => "Receives that found no free buffer.",
        Count::RingOverflows => "Completions the kernel had to keep aside.",
        Count::Rejoins => "Times a shard joined a channel again because a message was missing.",
        Count::LogEvictions => "Messages the logs dropped by their limits.",
        Count::LaneFull => "Times the lane from one shard to another was full.",
        Count::BytePauses => {
            "Times a connection was not read for a while because of the limit on bytes a second."
        }
        Count::Accepts => "Connections accepted by the listeners.",
    }
}

pub(super) fn gauge(what: Gauge) -> &'static str {
    match what {
        Gauge::Connections => "Connections open now.",
        Gauge::Channels => "Channels known now.",
        Gauge::Subscriptions => "Subscriptions now.",
        Gauge::LaggardsNow => "Subscribers that are behind now.",
        Gauge::LaggardBytes => "Bytes held for subscribers that are behind.",
        Gauge::LogBytes => "Bytes held by the channels' logs.",
        Gauge::Handshakes => "Handshakes under way.",
    }
}
