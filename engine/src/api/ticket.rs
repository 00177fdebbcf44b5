//! The result of a publication, which arrives later: its position.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::types::{PublishError, Seq};

/// A home shard's answer: one result per publication it was handed.
pub(super) type Answer = oneshot::AsyncReceiver<Vec<Result<Seq, PublishError>>>;

/// Resolves to the position a publication was given. May be dropped.
#[derive(Debug)]
#[must_use = "only the ticket says whether the publication was lost"]
pub struct Ticket(pub(super) Answer);

impl Ticket {
    /// Blocks this thread until the position is known.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn wait(self) -> Result<Seq, PublishError> {
        pollster::block_on(self)
    }
}

impl Future for Ticket {
    type Output = Result<Seq, PublishError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A shard that has ended dropped the other side.
        let answer = Pin::new(&mut self.0).poll(cx);
        answer.map(|answer| {
            answer.ok().and_then(|mut all| all.pop()).unwrap_or(Err(PublishError::Closed))
        })
    }
}

/// The part of a batch that went to one home.
#[derive(Debug)]
pub(super) struct Part {
    pub answer: Answer,
    /// Where each of its results belongs in the batch.
    pub places: Vec<usize>,
}

/// Resolves to one result per publication of a batch, in its order. May be dropped.
#[derive(Debug)]
#[must_use = "only the ticket says which publications were lost"]
pub struct BatchTicket {
    waiting: Vec<Part>,
    results: Vec<Result<Seq, PublishError>>,
}

impl BatchTicket {
    /// A ticket for `len` publications. Those in no part are lost; so are those of a part if its
    /// shard ends without an answer.
    pub(super) fn new(len: usize, parts: Vec<Part>) -> BatchTicket {
        BatchTicket { waiting: parts, results: vec![Err(PublishError::Closed); len] }
    }

    /// The same, where some results are known already.
    pub(super) fn with_results(
        results: Vec<Result<Seq, PublishError>>,
        parts: Vec<Part>,
    ) -> BatchTicket {
        BatchTicket { waiting: parts, results }
    }

    /// Blocks this thread until all positions are known.
    pub fn wait(self) -> Vec<Result<Seq, PublishError>> {
        pollster::block_on(self)
    }
}

impl Future for BatchTicket {
    type Output = Vec<Result<Seq, PublishError>>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let BatchTicket { waiting, results } = &mut *self;
        // One after the other: all are waited for.
        while let Some(part) = waiting.last_mut() {
            let Poll::Ready(answer) = Pin::new(&mut part.answer).poll(cx) else {
                return Poll::Pending;
            };
            for (place, result) in part.places.iter().zip(answer.into_iter().flatten()) {
                results[*place] = result;
            }
            waiting.pop();
        }
        Poll::Ready(std::mem::take(results))
    }
}
