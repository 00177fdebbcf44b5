//! More than one node: streams of NATS JetStream carry the order, and any node serves any client.
//!
//! What is here is pure: time and what came in are arguments, and what is to be done is a value.
//!
//! * `chain`: one channel: what follows what it has, what is held, what is read again.
//! * `stream_view`: one stream as this node knows it: its channels' chains, its audits, its life.
//! * `outbox`: what this node publishes to a stream.
//! * `sim`: chains and views against a model of a stream, with every fault that a cluster has.
//! * `subjects`, `stored_publications`: how channels and publications stand in a stream.

mod chain;
mod outbox;
mod stored_publications;
mod stream_view;
mod subjects;

#[cfg(test)]
mod sim;
