//! The values that metric labels may take: closed sets, so that no peer can widen them.

use crate::types::{CloseCodes, ErrorCode, labels};

labels! {
    /// Why a connection failed or was ended for the peer's fault.
    ConnectionError {
        /// The server is full.
        MaxConnections = "max_connections",
        /// No token where one is required.
        AuthMissing = "auth_missing",
        /// A bad or expired token.
        AuthFailed = "auth_failed",
        /// Something else came before the token.
        AuthRequired = "auth_required",
        /// The first frame was not JSON, or too much came before the token was verified.
        AuthError = "auth_error",
        /// Too many tokens waited for verification.
        AuthOverload = "auth_overload",
        /// A token's time was over.
        TokenExpired = "token_expired",
        /// A browser's page of an origin that is not listed.
        Origin = "origin",
        /// One address has too many connections.
        MaxPerAddress = "max_per_address",
        /// The TLS handshake failed.
        TlsHandshake = "tls_handshake",
        /// A trusted proxy sent no PROXY header, or a malformed one.
        ProxyHeader = "proxy_header",
        /// The HTTP upgrade was refused.
        Upgrade = "upgrade",
        /// A deadline passed: handshake, keepalive or close.
        Timeout = "timeout",
        /// The peer broke RFC 6455.
        Protocol = "protocol",
        /// Text that is not UTF-8.
        InvalidUtf8 = "invalid_utf8",
        /// A compressed message that cannot be inflated.
        NotInflated = "not_inflated",
        /// A message over the size limit.
        MessageTooBig = "message_too_big",
        /// The log ran past a subscriber that could not take its bytes.
        SlowConsumer = "slow_consumer",
        /// A client does not read its replies.
        OutboxFull = "outbox_full",
        /// The peer reset the connection, or left without a closing handshake.
        Reset = "reset",
        /// The ring's file table or the process's descriptors are used up.
        Descriptors = "descriptors",
    }
}

labels! {
    /// Why a message was not served or not delivered.
    MessageError {
        /// Not an envelope.
        DecodeError = "decode_error",
        /// Bytes that could not be handed to the kernel.
        SendFailed = "send_failed",
        /// Over the rate limit.
        RateLimited = "rate_limited",
        /// Not permitted.
        Forbidden = "forbidden",
        /// A missing or impossible channel name.
        InvalidChannel = "invalid_channel",
        /// A request that is not in the protocol.
        UnknownRequest = "unknown_request",
        /// A publish the engine had no room for.
        Busy = "busy",
        /// A limit on what one request or connection may hold.
        Limit = "limit",
        /// The external order of channels did not answer, or takes nothing.
        Unavailable = "unavailable",
    }
}

impl MessageError {
    /// As which a refused request is counted; a failed authentication counts as a failure of the
    /// connection, not of a message.
    pub(crate) fn of(code: ErrorCode) -> Option<MessageError> {
        match code {
            ErrorCode::DecodeError => Some(MessageError::DecodeError),
            ErrorCode::UnknownRequest | ErrorCode::InvalidRequest => {
                Some(MessageError::UnknownRequest)
            }
            ErrorCode::InvalidChannel => Some(MessageError::InvalidChannel),
            ErrorCode::Forbidden => Some(MessageError::Forbidden),
            ErrorCode::RateLimitExceeded => Some(MessageError::RateLimited),
            ErrorCode::LimitExceeded => Some(MessageError::Limit),
            ErrorCode::Busy => Some(MessageError::Busy),
            ErrorCode::Unavailable | ErrorCode::UnknownOutcome => Some(MessageError::Unavailable),
            ErrorCode::AuthFailed | ErrorCode::AuthRequired => None,
        }
    }
}

labels! {
    /// Plain event counts of the engine itself.
    Count {
        /// Frames written whole to a live subscriber, one per subscriber and frame.
        Deliveries = "deliveries",
        /// Bytes of those frames.
        DeliveryBytes = "delivery_bytes",
        /// Of the deliveries, those by Server-Sent Events: a row of the same metric.
        EventDeliveries = "deliveries",
        /// Of the bytes, those of these.
        EventDeliveryBytes = "delivery_bytes",
        /// Frames that reached a subscriber by catching up.
        CatchUps = "catch_ups",
        /// Subscribers that could not take their bytes.
        Laggards = "laggards",
        /// Laggards that became live again.
        Recoveries = "recoveries",
        /// Frames that the log dropped before a laggard or a shard read them.
        Missed = "missed",
        /// Frames that laggards were not sent, by the policy of their channel's class.
        Skipped = "skipped",
        /// Frames that laggards were not sent because newer ones had their keys.
        Conflated = "conflated",
        /// Messages of the external order for channels that are not followed.
        UpstreamUnwanted = "upstream_unwanted",
        /// Messages of the external order that were there already.
        UpstreamRepeated = "upstream_repeated",
        /// Questions that the external order has not answered in time, or could not.
        UpstreamUnanswered = "upstream_unanswered",
        /// Requests that read a channel's log.
        HistoryReads = "history_reads",
        /// Messages in the answers to them.
        HistoryMessages = "history_messages",
        /// Channels of a pattern that its subscriber had no room for.
        PatternMisses = "pattern_misses",
        /// Publications refused because there was no room.
        Refused = "refused",
        /// Times a channel would have been one more than a shard may have.
        ChannelRefusals = "channel_refusals",
        /// `io_uring_enter` calls of the delivery ring.
        RingEnters = "ring_enters",
        /// Entries submitted to the delivery ring.
        RingEntries = "ring_entries",
        /// Sends that posted a completion: short, refused or failed.
        SendCompletions = "send_completions",
        /// Receives that found no free buffer.
        BuffersExhausted = "buffers_exhausted",
        /// Times the kernel took no entry of the delivery ring, and the shard paused.
        RingStalls = "ring_stalls",
        /// Completions the kernel had to keep aside.
        RingOverflows = "ring_overflows",
        /// Joins that had to be made again because a sequence number was missing.
        Rejoins = "rejoins",
        /// Frames the logs dropped by their limits.
        LogEvictions = "log_evictions",
        /// Times a fan-out lane to another shard was full.
        LaneFull = "lane_full",
        /// Connections not read for a while because of the limit on bytes a second.
        BytePauses = "byte_pauses",
        /// Connections accepted by the listener.
        Accepts = "accepts",
        /// TLS handshakes made in full.
        TlsHandshakesFull = "tls_handshakes_full",
        /// TLS handshakes that took up an earlier session.
        TlsHandshakesResumed = "tls_handshakes_resumed",
        /// Steps of handshakes that had to wait for their share of time.
        HandshakeWaits = "handshake_waits",
        /// Writes of one or more joined frames to a live subscriber that went out whole.
        DeliveryWrites = "delivery_writes",
        /// Completions of the delivery ring, of every kind.
        RingCompletions = "ring_completions",
        /// Publications from outside that found a mailbox full.
        MailboxRefusals = "mailbox_refusals",
        /// Ends of connections that the access log had no room for.
        AccessLogDrops = "access_log_drops",
        /// Connections that kernel TLS could not be given.
        TlsFallbacks = "tls_fallbacks",
        /// KeyUpdates of kernel-TLS peers that were followed.
        TlsKeyUpdates = "tls_key_updates",
        /// Messages that were compressed in their channel's context: once each.
        ContextDeflates = "context_deflates",
        /// Messages that were compressed by themselves: once each, when first needed so.
        TwinDeflates = "twin_deflates",
        /// Frames sent as they were compressed in their channel's context, one per subscriber.
        ContextDeliveries = "context_deliveries",
        /// Frames sent as they were compressed by themselves, one per subscriber.
        TwinDeliveries = "twin_deliveries",
        /// Bytes that compressed frames were shorter than plain ones.
        DeflateSavedBytes = "deflate_saved_bytes",
        /// Bytes of clients' compressed messages.
        InflateInputBytes = "inflate_input_bytes",
        /// Bytes that these messages have inflated.
        InflateOutputBytes = "inflate_output_bytes",
    }
}

labels! {
    /// Values that go up and down.
    Gauge {
        /// Connections open now.
        Connections = "connections",
        /// Channels known now.
        Channels = "channels",
        /// Subscriptions now.
        Subscriptions = "subscriptions",
        /// Patterns of connections now, each counted for each connection.
        Patterns = "patterns",
        /// Subscribed connections in channels of classes that keep presence.
        PresentConnections = "present_connections",
        /// Bytes held for laggards now.
        LaggardBytes = "laggard_bytes",
        /// Bytes held by logs now.
        LogBytes = "log_bytes",
        /// Bytes of state documents now.
        StateBytes = "state_bytes",
        /// Compressors of channels.
        Compressors = "compressors",
        /// Handshakes under way.
        Handshakes = "handshakes",
        /// Steps of handshakes that wait for their share of time.
        HandshakesWaiting = "handshakes_waiting",
        /// Publications and commands waiting in the mailbox.
        MailboxMessages = "mailbox_messages",
        /// Connections the delivery ring has room for.
        ConnectionSlots = "connection_slots",
        /// Connections that are streams of Server-Sent Events.
        EventStreams = "event_streams",
        /// Connections that were told to reconnect and are not yet released.
        DrainingConnections = "draining_connections",
        /// Connections with TLS in user space.
        TlsUser = "tls_user",
        /// Connections with TLS in the kernel.
        TlsKernel = "tls_kernel",
    }
}

labels! {
    /// How a connection came to its end: the close frame's reason, or that there was none.
    Close {
        /// The peer closed with 1000, or without a code.
        PeerNormal = "peer_normal",
        /// The peer closed with 1001: a page was left.
        PeerGoingAway = "peer_going_away",
        /// The peer closed with another code.
        PeerOther = "peer_other",
        /// No close frame: reset, or the end of the stream.
        Lost = "lost",
        /// The server stops.
        Shutdown = "shutdown",
        /// The server was relieved of it on request.
        Drain = "drain",
        /// The server is full.
        MaxConnections = "max_connections",
        /// The log ran past it.
        SlowConsumer = "slow_consumer",
        /// All laggards of the shard together held too much.
        LaggardMemory = "laggard_memory",
        /// It does not read its replies.
        OutboxFull = "outbox_full",
        /// It broke RFC 6455.
        Protocol = "protocol",
        /// Text that is not UTF-8.
        InvalidUtf8 = "invalid_utf8",
        /// A compressed message that cannot be inflated.
        NotInflated = "not_inflated",
        /// A message over the limit.
        MessageTooBig = "message_too_big",
        /// No answer to a PING.
        KeepaliveTimeout = "keepalive_timeout",
        /// A message was not finished in time, or held memory that was needed.
        MessageTimeout = "message_timeout",
        /// A bad token, or none in the `auth` request.
        AuthFailed = "unauthenticated",
        /// Something else came before the token.
        AuthRequired = "unauthenticated",
        /// No token in time.
        AuthTimeout = "unauthenticated",
        /// What came before the token was no envelope.
        AuthError = "unauthenticated",
        /// Too much came behind the token.
        AuthBacklog = "unauthenticated",
        /// Too many tokens waited for verification.
        AuthOverload = "auth_overload",
        /// Its token's time was over.
        TokenExpired = "token_expired",
        /// Disconnected on request of its service.
        Expelled = "expelled",
        /// Its client's certificate was revoked.
        CertificateRevoked = "certificate_revoked",
        /// A request for Server-Sent Events that was answered with another status than 200.
        NoStream = "no_stream",
        /// Its TLS keys were used up or could not be replaced.
        Keys = "keys",
    }
}

impl Close {
    /// The close code (RFC 6455, 7.4); `None` for the peer's own. docs/PROTOCOL.md has the table of
    /// both kinds of `codes`.
    pub fn code(self, codes: CloseCodes) -> Option<u16> {
        const POLICY_VIOLATION: u16 = 1008;
        let own = match self {
            Close::PeerOther => return None,
            Close::PeerNormal => 1000,
            Close::PeerGoingAway | Close::Shutdown | Close::Drain => 1001,
            Close::Protocol => 1002,
            Close::Lost => 1006,
            Close::InvalidUtf8 | Close::NotInflated => 1007,
            Close::MessageTooBig => 1009,
            Close::KeepaliveTimeout => 1011,
            Close::Keys => 1012,
            Close::MaxConnections
            | Close::SlowConsumer
            | Close::LaggardMemory
            | Close::AuthOverload => 1013,
            // Not to be tried again as before.
            Close::AuthFailed => 4001,
            Close::AuthRequired => 4002,
            Close::AuthError => 4003,
            Close::AuthBacklog => 4004,
            Close::Expelled => 4005,
            Close::CertificateRevoked => 4006,
            Close::NoStream => 4007,
            // To be tried again later.
            Close::AuthTimeout => 4101,
            Close::MessageTimeout => 4102,
            Close::OutboxFull => 4103,
            // To be tried again now.
            Close::TokenExpired => 4201,
        };
        let has_none_in_the_registry = own >= 4000;
        Some(match codes {
            CloseCodes::Family if has_none_in_the_registry => POLICY_VIOLATION,
            CloseCodes::Family | CloseCodes::Own => own,
        })
    }
}

labels! {
    /// The state of a laggard: a slow or recovering subscriber.
    Lag {
        /// Its socket is full.
        Waiting = "waiting",
        /// It reads the logs as fast as it is served.
        Reading = "reading",
        /// It subscribed with `since` and is not counted as slow.
        Recovering = "recovering",
        /// It is too far behind, and is not sent everything.
        Skipping = "skipping",
        /// Only its close frame is left.
        Closing = "closing",
    }
}

labels! {
    /// What is timed in nanoseconds by an HDR histogram.
    Latency {
        /// Publish accepted → last live subscriber's bytes handed to the kernel.
        Broadcast = "broadcast",
        /// Publish accepted → one subscriber's bytes handed to the kernel.
        Delivery = "delivery",
        /// Handling of one inbound message.
        Handling = "handling",
        /// From becoming a laggard to being live again.
        CatchUp = "catch_up",
        /// One turn of a shard.
        Turn = "turn",
        /// Accepted → upgraded.
        Handshake = "handshake",
    }
}

impl Latency {
    /// The label that distinguishes histograms of this kind, if there are several.
    pub fn split_by(self) -> Option<&'static str> {
        match self {
            Latency::Broadcast | Latency::Delivery => Some("channel"),
            Latency::Handling => Some("message_type"),
            Latency::CatchUp | Latency::Turn | Latency::Handshake => None,
        }
    }
}
