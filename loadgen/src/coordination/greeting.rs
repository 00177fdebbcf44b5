//! Both sides prove that they know the shared secret, which itself is never sent: an HMAC over two
//! numbers of which each side chose one. Nothing that follows is encrypted.

use std::path::Path;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::error::OperatorError;

/// A shorter secret can be guessed.
const LEAST: usize = 16;
/// A longer file is something else.
const MOST: usize = 4096;

/// A number that is used once.
pub(super) type Nonce = [u8; 16];

/// The side that proves that it knows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Coordinator,
    Worker,
}

/// A proof, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof(Vec<u8>);

/// The shared secret; empty where none is given.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Of a file, without white space around it; none without a file.
    ///
    /// # Errors
    /// When it cannot be read, is too short or too long. The message never has the secret.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, OperatorError> {
        let Some(path) = path else { return Ok(Self(Vec::new())) };
        let bad = |what: String| {
            let remedy = "make one with `openssl rand -hex 32 > FILE`";
            OperatorError(format!("--secret-file {}: {what}; {remedy}", path.display()))
        };
        let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let bytes = bytes.trim_ascii().to_vec();
        match bytes.len() {
            LEAST..=MOST => Ok(Self(bytes)),
            count => Err(bad(format!("{count} bytes, not {LEAST} to {MOST}"))),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }

    /// That this side knows it, over the numbers of the worker and of the coordinator.
    pub(super) fn proof(&self, side: Side, worker: Nonce, coordinator: Nonce) -> Proof {
        Proof(hmac::sign(&self.key(), &text(side, worker, coordinator)).as_ref().to_vec())
    }

    /// Whether the other side knows it.
    pub(super) fn accepts(
        &self,
        proof: &Proof,
        side: Side,
        worker: Nonce,
        coordinator: Nonce,
    ) -> bool {
        hmac::verify(&self.key(), &text(side, worker, coordinator), &proof.0).is_ok()
    }
}

fn text(side: Side, worker: Nonce, coordinator: Nonce) -> Vec<u8> {
    let name: &[u8] = match side {
        Side::Coordinator => b"loadgen coordinator",
        Side::Worker => b"loadgen worker",
    };
    [name, &worker, &coordinator].concat()
}

/// A new number.
pub(super) fn nonce() -> Result<Nonce, String> {
    let mut nonce = Nonce::default();
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| "no random numbers can be had")?;
    Ok(nonce)
}

#[cfg(test)]
mod tests;
