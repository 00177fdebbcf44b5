//! Bodies of requests, whole, within a budget of the bytes that all of them have under way.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use parking_lot::Mutex;

use super::cpu_turns::CpuTurns;
use super::error::ApiError;
use crate::limits::{HTTP_BODY_BYTES, HTTP_BODY_BYTES_PER_KEY};
use crate::metrics::{GivenUp, HttpGivenUp};

/// The bytes of all bodies under way.
#[derive(Debug)]
pub(super) struct BodyBudget {
    used: Mutex<Used>,
    given_up: Option<HttpGivenUp>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    /// By the name of the key; none of them is 0.
    by_key: HashMap<Box<str>, usize>,
}

/// What one request has of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct BodyShare {
    budget: Arc<BodyBudget>,
    key: Box<str>,
    bytes: usize,
}

/// A body that was read.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Vec<u8>,
    /// For as long as the bytes are there.
    _share: BodyShare,
}

impl BodyBudget {
    pub(super) fn new(given_up: Option<HttpGivenUp>) -> Arc<BodyBudget> {
        Arc::new(BodyBudget { used: Mutex::default(), given_up })
    }

    /// A share without any bytes yet, of the key of this name.
    pub(super) fn share(self: &Arc<Self>, key: &str) -> BodyShare {
        BodyShare { budget: Arc::clone(self), key: key.into(), bytes: 0 }
    }
}

impl Used {
    /// Whether `more` bytes of a key fit.
    fn take(&mut self, key: &str, more: usize) -> bool {
        let of_key = self.by_key.get(key).map_or(0, |bytes| *bytes);
        if self.all + more > HTTP_BODY_BYTES || of_key + more > HTTP_BODY_BYTES_PER_KEY {
            return false;
        }
        if more > 0 {
            self.all += more;
            self.by_key.insert(key.into(), of_key + more);
        }
        true
    }

    fn give_back(&mut self, key: &str, bytes: usize) {
        self.all -= bytes;
        if let Some(of_key) = self.by_key.get_mut(key) {
            *of_key -= bytes;
            if *of_key == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

impl BodyShare {
    /// Makes it a share of so many bytes.
    ///
    /// # Errors
    /// 503 when there is no room for them; the share is what it was.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), ApiError> {
        let mut used = self.budget.used.lock();
        if bytes < self.bytes {
            used.give_back(&self.key, self.bytes - bytes);
        } else if !used.take(&self.key, bytes - self.bytes) {
            let given_up = self.budget.given_up.iter();
            given_up.for_each(|given_up| given_up.count(GivenUp::Bytes));
            let text = "The bodies of other requests under way leave no room for this one now.";
            return Err(ApiError::saturated(text));
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Reads a body of at most so many bytes. One with a length that is not taken is refused before
    /// it is read; other lengths count as they come.
    ///
    /// # Errors
    /// 413 for a longer one, 503 when there is no room, 400 for one that ends early.
    pub(super) async fn read(mut self, mut body: Body, most: usize) -> Result<WholeBody, ApiError> {
        let too_large = || ApiError::too_large(format!("the body has more than {most} bytes"));
        let expected = body.size_hint().lower();
        let expected = usize::try_from(expected).ok().filter(|length| *length <= most);
        let expected = expected.ok_or_else(too_large)?;
        self.resize(expected)?;
        let (mut bytes, mut turns) = (Vec::with_capacity(expected), CpuTurns::default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::unreadable())?;
            let Some(data) = frame.data_ref() else { continue };
            let length = bytes.len() + data.len();
            if length > most {
                return Err(too_large());
            }
            if length > self.bytes {
                self.resize(length)?;
            }
            turns.read(data.len());
            bytes.extend_from_slice(data);
        }
        Ok(WholeBody { bytes, _share: self })
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.budget.used.lock().give_back(&self.key, self.bytes);
    }
}

#[cfg(test)]
mod tests;
