//! What the server does for operators and on the wire. One program has all these tests: it is
//! linked once, and tests that wait leave the processor to others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../../../engine/examples/echo.rs"]
mod echo;
#[path = "../support/mod.rs"]
mod support;

mod access_log;
mod alerts;
mod api_keys;
mod api_snippet;
mod attacks;
mod canary;
mod certs;
mod certs_handshakes;
mod certs_reload;
mod classes;
mod cli;
mod cli_clients;
mod cli_once;
mod cli_patterns;
mod cli_shell;
mod coalesced;
mod compressed_broadcasts;
mod compression;
mod config;
mod connections;
mod dashboards;
mod debug_latency;
mod doctor;
mod documents;
mod end_to_end;
mod fault_tables;
mod faults_auth;
mod faults_endings;
mod faults_frames;
mod faults_messages;
mod faults_network;
mod faults_operator;
mod faults_slow;
mod faults_upgrade;
mod fleet;
mod fleet_load;
mod floods;
mod handover;
mod handover_faults;
mod handover_http;
mod handover_reload;
mod handshakes_slow;
mod history;
mod http_control;
mod http_keep_alive;
mod http_publish;
mod http_shares;
mod listening;
mod live;
mod loadgen_access;
mod loadgen_dialects;
mod loadgen_scenarios;
mod metrics;
mod metrics_table;
mod openapi;
mod packaging;
mod pages;
mod patterns;
mod presence;
mod presets;
mod prometheus;
mod proxies;
mod publish_ids;
mod recovery;
mod refusal_lines;
mod request_order;
mod revoked_tokens;
mod session_buddy;
mod settings;
mod settings_reload;
mod shared_ports;
mod slow_classes;
mod sse;
mod sse_access;
mod stalls;
mod states;
mod subprotocol;
mod systemd;
mod tokens;
mod tutorial;
mod verify;
mod verify_client_certificate;
mod verify_configured;
mod verify_fleet;
