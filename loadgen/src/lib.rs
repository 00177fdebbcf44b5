//! `loadgen`: puts an open-loop load on a broadcast server and measures its latency.
//!
//! The path of a run: `args` as typed and a file (`plan_input`) → `load_plan`, all decided:
//! phases on a `timeline` → `config`, which knows the server → `run` connects the
//! subscribers (`worker` threads around the pure `client`, which come and go by
//! `movements`) and starts the `publisher` threads, which follow the `schedule` → every
//! delivery is recognised by its `payload_stamp`, checked
//! (`delivery_check`) and recorded (`recorder`) → the `collector` adds up
//! what came, and at the end what never came → `summarise` makes the `summary`, written
//! out by `report` and judged by `run_verdict`. `self_host` starts the server;
//! `find_max` makes a run for each rate that it tries.
//!
//! Public is what the benchmarks share with it: one frame codec, one client, the dialects, one
//! transport, one check of deliveries. None of it is the engine's code, so that an error in the
//! engine cannot hide in the tools that check it.

mod advice;
mod args;
mod assertion;
mod batch;
mod broadcasts;
mod channel_name;
mod chat;
pub mod client;
mod collector;
mod comparison;
mod config;
mod coordination;
mod credentials;
pub mod delivery_check;
pub mod dialect;
pub mod dialect_session;
mod doctor;
mod envelope_reply;
mod environment;
mod error;
mod figures;
mod find_max;
pub mod frame;
mod handshake_clock;
mod hdr_files;
mod heat_map;
mod html_report;
mod inflater;
pub mod insecure;
mod load_plan;
mod log_positions;
mod machine;
mod metrics_endpoint;
mod moment;
mod movements;
mod output;
mod part;
mod payload_stamp;
mod phase;
mod plan_input;
pub mod process;
pub mod program;
mod progress;
mod publish_tally;
mod publisher;
mod quantiles;
mod rate_search;
mod receipts;
#[doc(hidden)]
pub mod receive_path;
mod recorder;
mod replies;
mod report;
mod report_table;
mod room_choice;
mod run;
mod run_verdict;
mod scenario;
mod schedule;
mod second;
mod self_description;
mod self_host;
mod server_url;
mod shared;
mod source_addresses;
mod spki_pin;
mod subscriber;
mod summarise;
mod summary;
mod tally;
mod target_addresses;
mod timeline;
mod tls;
mod tokens;
pub mod transport;
pub mod upgrade;
mod value_parsers;
mod worker;
mod worker_report;
