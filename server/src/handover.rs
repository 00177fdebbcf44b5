//! Handing all connections to a new process, and taking them over: `handover_socket` and
//! `--take-over` (docs/HANDOVER.md).
//!
//! * `socket`: where a running server waits for its successor;
//! * `successor_offer`: what it does then;
//! * `take_over`: what the successor does;
//! * `http_sockets`: the listening sockets of the HTTP ports, which go over with the others;
//! * `server_state`: what a server knows beside its engine;
//! * `replaced_program`: a new program that a reload starts;
//! * `engine_gate`: HTTP requests wait while no process answers them;
//! * `passing`: their connections go to the process that has taken over.

mod engine_gate;
mod http_sockets;
mod passing;
mod replaced_program;
mod server_state;
mod socket;
mod successor_offer;
mod take_over;

pub(crate) use engine_gate::{Closed, EngineGate, Passage};
pub(crate) use http_sockets::{HttpSocket, HttpSockets, PortName};
pub(crate) use passing::{PassedConnection, Passing, receive_all};
pub(crate) use replaced_program::start_if_replaced;
pub(crate) use server_state::unpack;
pub(crate) use socket::SocketFile;
pub(crate) use successor_offer::Offer;
pub(crate) use take_over::TakeOver;
pub(crate) use take_over::TakeOverError;
