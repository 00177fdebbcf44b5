//! Session protocols of services that do not speak the family's envelope.

pub mod session_buddy;
