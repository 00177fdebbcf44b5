//! Every setting, defined once: from this table come the command line, the keys of the TOML file,
//! the environment variables, `check-config` and docs/SETTINGS.md.

pub mod access;
mod changes;
mod choices;
pub mod class_setting;
pub mod coalescing_rule;
mod nearest;
mod setting;
mod sources;
pub mod value;

use std::path::PathBuf;

use uringcast_engine::{AuthMode, CloseCodes, Correlation, KernelTls, limits};

use access::{OptionalClaim, Origin, Permission, Subprotocol};
pub use changes::Changes;
pub use choices::{LogFormat, TlsVersion};
use class_setting::ClassSettings;
use coalescing_rule::CoalescingRule;
pub use nearest::nearest;
pub use setting::Setting;
pub use sources::{Problem, Problems, Source, Sources};
use value::cluster_values::*;
use value::{ApiKey, Bytes, CertKey, Count, EnvPrefix, Host, Network, Secret, Span, Text, Value};

use crate::limits::{
    DEFAULT_CANARY_INTERVAL, DEFAULT_CONTROL_PORT, DEFAULT_JWT_LEEWAY, DEFAULT_METRICS_PORT,
    DEFAULT_PORT, MAX_JWT_LEEWAY, MAX_PUBLISH_BODY,
};
use crate::presets::Preset;

/// The prefix of the server's environment variables.
pub const ENV_PREFIX: &str = "URINGCAST_";
/// The prefix of the original family's TLS variables, unless `tls_env_prefix` gives another.
pub const FAMILY_PREFIX: &str = "WEBSOCKET";

macro_rules! settings {
    ($($group:literal {
        $(
            $(#[doc = $help:literal])+
            $name:ident $(($scope:ident))? $([$live:ident])?: $kind:ty = $default:expr,
        )+
    })+) => {
        /// Every setting as it was given: read, in range, not yet compared with the others.
        #[derive(Debug)]
        pub struct Settings { $($(
            $(#[doc = $help])+
            pub $name: $kind,
        )+)+
            /// The services of a fleet file; none when this is the only service.
            pub fleet: Vec<Settings>,
            sources: Sources,
        }

        /// All settings, in the order of the help text.
        pub const TABLE: &[Setting] = &[$($(Setting {
            name: stringify!($name),
            group: $group,
            help: concat!($($help),+).trim_ascii(),
            hint: <$kind as Value>::HINT,
            many: <$kind as Value>::MANY,
            switch: <$kind as Value>::SWITCH,
            secret: <$kind as Value>::SECRET,
            of_a_service: stringify!($($scope)?).is_empty(),
            is_live: !stringify!($($live)?).is_empty(),
        },)+)+];

        impl Settings {
            /// Reads all settings.
            ///
            /// # Errors
            /// [`Problems`] with every value that cannot be read.
            pub fn read(sources: Sources) -> Result<Settings, Problems> {
                let mut problems = Vec::new();
                $($(let $name = sources.read(stringify!($name), || $default, &mut problems);)+)+
                if !problems.is_empty() {
                    return Err(Problems(problems));
                }
                Ok(Settings { $($($name,)+)+ fleet: Vec::new(), sources })
            }

            /// Every value as TOML, in the order of [`TABLE`]; `None` where there is none.
            pub fn shown(&self) -> Vec<Option<String>> {
                vec![$($(self.$name.show(),)+)+]
            }
        }
    };
}

const GIB: usize = 1 << 30;
const HOUR: u64 = 3_600_000;
/// Messages that a log keeps.
pub type LogFrames = Count<1, 1_000_000>;
/// Bytes that a log keeps.
pub type LogBytes = Bytes<{ 64 << 10 }, GIB>;
/// How long a log keeps a message.
pub type LogAge = Span<1_000, { 24 * HOUR }>;
const MAX_CONNECTIONS: usize = limits::MAX_SHARDS * limits::MAX_CONNECTIONS_PER_SHARD;

settings! {
    "Listening" {
        /// Address to listen on for WebSocket clients; may be given several times, IPv4 and IPv6.
        /// 0.0.0.0 is all of IPv4; :: all of IPv6, and of IPv4 too unless one of IPv4 is given.
        host: Vec<Host> = vec![Host("127.0.0.1".into())],
        /// Port to listen on for WebSocket clients; 0 takes a free one.
        port: u16 = DEFAULT_PORT,
        /// Open connections of the whole server; one more is closed with 1013.
        max_connections [live]: Count<1, MAX_CONNECTIONS> = Count(limits::DEFAULT_MAX_CONNECTIONS),
        /// Number of shards, one thread and core each. Without it: as many as the process may use,
        /// by its affinity and by the CPU quota of its control group.
        shards (process): Option<Count<1, { limits::MAX_SHARDS }>> = None,
        /// Networks of the proxies in front, which are believed when they name a client in
        /// X-Forwarded-For; may be given several times.
        trusted_proxies: Option<Vec<Network>> = None,
        /// Connections from trusted_proxies begin with a PROXY header, version 1 or 2.
        proxy_protocol: bool = false,
    }
    "Publishing and control" {
        /// Address of the HTTP control port; :: is all of IPv6 and IPv4. Outside loopback it needs
        /// an API key.
        control_host (process): Host = Host("127.0.0.1".into()),
        /// Port for publishing over HTTP, channel lists, health and readiness.
        control_port (process): u16 = DEFAULT_CONTROL_PORT,
        /// Key that publishers must send. Others can see command lines: prefer a file.
        api_key (process) [live]: Option<Secret> = None,
        /// File that holds the API key and nothing else.
        api_key_file (process) [live]: Option<PathBuf> = None,
        /// Further keys, each with a name, perhaps the only service it is for, what it is good for
        /// (`[publish,read,manage]`; none: all), and the channels it may publish to (none: all):
        /// prefer a file.
        api_keys (process) [live]: Option<Vec<ApiKey>> = None,
        /// File with such keys, one a line; instead of a key it may have `sha256:` and its hash.
        api_keys_file (process) [live]: Option<PathBuf> = None,
        /// Let clients publish over their WebSocket without authentication; where that is optional,
        /// to channels that no publish_permission names, with a token or without.
        anonymous_publish [live]: bool = false,
    }
    "Clients" {
        /// The server's name in the welcome message and in the `server` label of all metrics.
        server_name: Text = Text("uringcast".into()),
        /// The `message` of the welcome message.
        welcome_message [live]: Text = Text("Connected to uringcast".into()),
        /// Largest message taken from a client, and largest `data` published over HTTP.
        max_message_size [live]: Bytes<1024, { MAX_PUBLISH_BODY }> =
            Bytes(limits::DEFAULT_MAX_MESSAGE),
        /// Levels of lists and objects in what is published; more is refused, as stock clients'
        /// parsers would fail.
        max_json_depth [live]: Count<1, { limits::MAX_JSON_DEPTH }> =
            Count(limits::DEFAULT_JSON_DEPTH),
        /// Messages a second and client, with a burst of 1.5 times that; 0 means no limit.
        message_rate [live]: Count<0, { u32::MAX as usize }> =
            Count(limits::DEFAULT_MESSAGE_RATE as usize),
        /// Silence after which a client is pinged, and after which it is given up.
        keepalive_interval (process) [live]: Span<1_000, HOUR> = Span(limits::DEFAULT_KEEPALIVE),
        /// Field of a request that replies repeat as correlation_id: its `id`, or as the original
        /// servers did (echo) its `correlation_id`.
        correlation: Correlation = Correlation::Id,
        /// What the welcome message advises clients to wait at most before they reconnect.
        reconnect_base [live]: Span<0, HOUR> = Span(limits::DEFAULT_RECONNECT_BASE),
        /// The most that it advises, when tries go on to fail.
        reconnect_max [live]: Span<0, HOUR> = Span(limits::DEFAULT_RECONNECT_MAX),
        /// Close codes of reasons for which RFC 6455 has none: one of 4000 to 4299 for each (own),
        /// by whose range a program can tell whether to reconnect; or 1008 for all, as the original
        /// servers had it (family).
        close_codes: CloseCodes = CloseCodes::Own,
        /// Subprotocols (Sec-WebSocket-Protocol) to agree to where a client offers one. An offer of
        /// bearer.TOKEN beside it carries the client's token, and is never agreed to.
        subprotocol [live]: Option<Vec<Subprotocol>> = None,
        /// Replies a client may be owed before it is closed.
        max_outbox (process) [live]: Bytes<1024, { 16 << 20 }> = Bytes(limits::DEFAULT_OUTBOX),
    }
    "Limits of one client" {
        /// Connections from one address (IPv6: one /64); one more is answered 429. 0 means no
        /// limit: behind a proxy all clients have its address.
        max_connections_per_address [live]: Count<0, MAX_CONNECTIONS> = Count(0),
        /// Subscriptions of one connection; one more is refused with LIMIT_EXCEEDED.
        max_subscriptions [live]: Count<1, { limits::MAX_SUBSCRIPTIONS }> =
            Count(limits::MAX_SUBSCRIPTIONS),
        /// Bytes a second taken from one connection, with a burst of 1.5 times that (64KiB at
        /// least, and 4KiB more, over TLS 20KiB); above it is not read until it is paid for. 0
        /// means no limit.
        byte_rate [live]: Bytes<0, GIB> = Bytes(0),
        /// Channels one shard knows at most (each shard by itself); one more is refused with
        /// LIMIT_EXCEEDED, over HTTP with 507.
        shard_channels (process): Count<1, { limits::MAX_CHANNELS_PER_SHARD }> =
            Count(limits::MAX_CHANNELS_PER_SHARD),
    }
    "Authentication" {
        /// Whether clients must show a token (JWT); optional: they may, for what needs a
        /// permission. Without it: true where a key is given (jwt_secret, jwt_public_key,
        /// jwks_file), else false.
        auth_enabled: Option<AuthMode> = None,
        /// Shared secret that tokens are signed with (HS256, HS384, HS512): prefer a file.
        jwt_secret [live]: Option<Secret> = None,
        /// File that holds the shared secret and nothing else.
        jwt_secret_file [live]: Option<PathBuf> = None,
        /// PEM file with the public key of the tokens' issuer (RS256, PS256, ES256, EdDSA).
        jwt_public_key [live]: Option<PathBuf> = None,
        /// JWK Set with the issuer's keys; read again when it changes, and on SIGHUP.
        jwks_file [live]: Option<PathBuf> = None,
        /// Algorithms to accept, of those that the keys can have. Without it: all.
        jwt_algorithms [live]: Option<Vec<jsonwebtoken::Algorithm>> = None,
        /// `iss` that tokens must have.
        jwt_issuer [live]: Option<Text> = None,
        /// `aud` that tokens must have; without it a token with an `aud` is refused.
        jwt_audience [live]: Option<Text> = None,
        /// Claims of exp, iss and aud that a token may lack; those it has must still be right.
        jwt_optional_claims [live]: Option<Vec<OptionalClaim>> = None,
        /// Claims with permissions, a list or a text with blanks; dots lead into objects, as in
        /// realm_access.roles, and all that are named count. Without it: of permissions, scopes,
        /// scope and scp the first that a token has.
        jwt_permissions_claim [live]: Option<Vec<Text>> = None,
        /// How long after its exp, and before its nbf, a token is still taken.
        jwt_leeway [live]: Span<0, MAX_JWT_LEEWAY> = Span(DEFAULT_JWT_LEEWAY),
        /// File that keeps what POST /v1/tokens/revoke has revoked over a restart. One that cannot
        /// be read or written is refused at start. Without it a restart forgets it.
        revocations_file (process): Option<PathBuf> = None,
        /// Channels and the permission to subscribe to them, such as workflow:*=workflow:read
        /// or dash-*=dash:read; the longest pattern counts, and channels without one are open to
        /// every admitted client.
        subscribe_permission [live]: Option<Vec<Permission>> = None,
        /// The same for publishing; channels without one need the permission publish.
        publish_permission [live]: Option<Vec<Permission>> = None,
        /// Permissions that stand for all others.
        admin_permission [live]: Vec<Text> = vec![Text("admin".into())],
        /// Origins whose pages may connect; browsers on others get 403, * lets all in. Without it:
        /// pages of the host and port that the client connects to, and the dashboard; clients that
        /// send no Origin are always let in.
        allowed_origin [live]: Option<Vec<Origin>> = None,
        /// Threads that verify tokens.
        auth_threads (process): Count<1, 64> = Count(1),
    }
    "Retention" {
        /// Messages each channel keeps for clients that fall behind or come back.
        log_frames (process): LogFrames = Count(limits::DEFAULT_LOG_FRAMES),
        /// Bytes each channel keeps.
        log_bytes (process): LogBytes = Bytes(limits::DEFAULT_LOG_BYTES),
        /// How long each channel keeps a message, also while it has no subscribers.
        log_age (process): LogAge = Span(limits::DEFAULT_LOG_AGE),
        /// Bytes all channels of one shard keep together.
        shard_log_bytes (process): Bytes<{ 1 << 20 }, { 64 * GIB }> =
            Bytes(limits::DEFAULT_SHARD_LOG_BYTES),
    }
    "Classes of channels" {
        /// Channels and what is promised for them, such as orders:* slow=skip, log-age=10m; several
        /// in one text stand between semicolons. Keys: log-frames, log-bytes, log-age, slow,
        /// slow-bytes, slow-age, compression, coalesce, presence, history, subscribe and publish,
        /// as docs/OPERATING.md has them. Of each key the longest pattern counts that has it;
        /// uringcast-server classes prints which class a channel has.
        class [live]: Option<ClassSettings> = None,
        /// Short for classes with a coalesce alone: channels whose messages may wait so long for
        /// others, to be sent together, such as ticker:*=5ms; at most 100ms. A fast channel then
        /// costs a send for each client and window instead of one for each message. Without it
        /// nothing waits.
        coalesce [live]: Option<Vec<CoalescingRule>> = None,
    }
    "Cluster" {
        /// NATS servers, as nats://10.0.0.1:4222 or tls://…, of a cluster: docs/CLUSTER.md.
        cluster (process): Option<Vec<NatsUrl>> = None,
        /// PEM file with the authorities that sign their certificates; without it the system's.
        cluster_ca_file (process): Option<PathBuf> = None,
        /// PEM file with the certificate to show them.
        cluster_cert_file (process): Option<PathBuf> = None,
        /// PEM file with its key.
        cluster_key_file (process): Option<PathBuf> = None,
        /// File of the NATS user (.creds).
        cluster_credentials (process): Option<PathBuf> = None,
        /// What the names of streams and subjects begin with.
        cluster_prefix (process): SubjectPrefix = SubjectPrefix("uringcast".into()),
        /// Streams that share the channels, each with a leader of its own; fixed once made.
        cluster_partitions (process): Partitions = Count(1),
        /// NATS servers that keep each stream.
        cluster_replicas (process): Replicas = Count(DEFAULT_REPLICAS),
        /// How long the streams keep a message.
        cluster_age (process): ClusterAge = Span(DEFAULT_CLUSTER_AGE),
        /// Messages of a channel that its stream keeps.
        cluster_channel_messages (process): ChannelMessages = Count(DEFAULT_CHANNEL_MESSAGES),
        /// Be not ready (`/ready`) while the cluster takes no publications.
        cluster_ready (process): bool = false,
    }
    "TLS" {
        /// Serve wss. On when a certificate or auto_cert is given; alone it means auto_cert.
        tls_enabled: Option<bool> = None,
        /// Make a self-signed certificate for localhost and the addresses listened on.
        auto_cert: bool = false,
        /// Where that certificate is kept. Without it: $XDG_STATE_HOME/uringcast.
        cert_dir: Option<PathBuf> = None,
        /// PEM file with the certificate and its chain.
        cert_file: Option<PathBuf> = None,
        /// PEM file with the certificate's private key (PKCS#8, PKCS#1 or SEC1).
        key_file: Option<PathBuf> = None,
        /// A further certificate and its key, chosen by the name a client asks for; may be given
        /// several times. The first of all certificates is the default.
        certificate: Option<Vec<CertKey>> = None,
        /// PEM file with the authorities that sign client certificates; clients then need one.
        ca_file: Option<PathBuf> = None,
        /// Demand a client certificate; needs ca_file.
        verify_client: Option<bool> = None,
        /// Whether the kernel encrypts. On needs a kernel with TLS (modprobe tls); auto uses it for
        /// a typical_message of 16 KiB or more, and below that user space, which costs less.
        ktls (process): KernelTls = KernelTls::Auto,
        /// Size of a typical broadcast: what ktls auto decides by.
        typical_message (process): Bytes<1, { MAX_PUBLISH_BODY }> =
            Bytes(limits::DEFAULT_TYPICAL_MESSAGE),
        /// PEM file with the authorities' lists of revoked client certificates; needs ca_file.
        crl_file: Option<PathBuf> = None,
        /// Oldest version of TLS that is spoken.
        tls_min_version: TlsVersion = TlsVersion::Tls12,
        /// First word of the environment variables, such as WEBSOCKET_CERT_FILE, that the original
        /// family's programs use for TLS; they rank below URINGCAST_ ones.
        tls_env_prefix: EnvPrefix = EnvPrefix(FAMILY_PREFIX.into()),
    }
    "Metrics and logs" {
        /// Keep no metrics and serve no metrics port.
        no_metrics (process): bool = false,
        /// Address of the metrics port; :: is all of IPv6 and IPv4.
        metrics_host: Host = Host("127.0.0.1".into()),
        /// Port of `/metrics`.
        metrics_port: u16 = DEFAULT_METRICS_PORT,
        /// Objective for metrics: 99 % of deliveries within this time of accepting the message.
        slo_p99 (process): Option<Span<1, 60_000>> = None,
        /// How often a connection of the server's own to each shard checks it, for metrics and
        /// readiness; 0 switches it off, as demanding client certificates does.
        canary_interval (process): Span<0, HOUR> = Span(DEFAULT_CANARY_INTERVAL),
        /// How log lines on standard error look.
        log_format (process): LogFormat = LogFormat::Text,
        /// File to which one JSON line is appended for each connection at its end; - is standard
        /// output.
        access_log (process): Option<PathBuf> = None,
        /// Least severity that is logged.
        log_level (process) [live]: tracing::Level = tracing::Level::INFO,
    }
    "Running" {
        /// Time clients get on shutdown to take what they are owed; then they are cut.
        drain_timeout (process) [live]: Span<0, HOUR> = Span(limits::DEFAULT_DRAIN),
        /// Time before that over which clients are told to reconnect, and closed at an even pace; 0
        /// closes all at once. POST /v1/drain takes as long.
        drain_spread (process) [live]: Span<0, HOUR> = Span(limits::DEFAULT_DRAIN_SPREAD),
        /// Unix socket at which a new server of the same user, or of root, takes all connections
        /// over (--take-over), without closing any. Without it there is none.
        handover_socket (process): Option<PathBuf> = None,
        /// Take ports, limits, welcome, permissions and requests of one of the original family's
        /// services, as far as they are not given otherwise: see `uringcast-server presets`.
        preset: Option<&'static Preset> = None,
        /// TOML file with any of these settings, written with underscores. With `[[service]]`
        /// entries it makes several services: see docs/OPERATING.md.
        config (process): Option<PathBuf> = None,
    }
}

impl Settings {
    /// Where a setting's value was given.
    pub fn source(&self, name: &str) -> Source {
        self.sources.source(name)
    }

    /// One setting's value as TOML; `None` where there is none, or no such setting.
    pub fn toml(&self, name: &str) -> Option<String> {
        let row = TABLE.iter().position(|setting| setting.name == name)?;
        self.shown().swap_remove(row)
    }

    /// A problem with a value that is readable by itself.
    pub fn problem(&self, name: &str, reason: impl Into<Box<str>>, remedy: &str) -> Problem {
        Problem { value: self.toml(name), ..Problem::new(name, self.source(name), reason, remedy) }
    }

    /// The services: those of the fleet, or the only one.
    pub fn services(&self) -> &[Settings] {
        if self.fleet.is_empty() { std::slice::from_ref(self) } else { &self.fleet }
    }
}

/// Every setting's default as TOML, in the order of [`TABLE`].
pub fn defaults() -> Vec<Option<String>> {
    Settings::read(Sources::default()).map(|settings| settings.shown()).unwrap_or_default()
}
