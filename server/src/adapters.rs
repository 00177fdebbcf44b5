//! Session protocols of services that do not use the family's envelope.

pub mod session_buddy;
