//! The results of independent publications at one home.

use super::ticket::Answer;
use crate::types::{PublishError, Seq};

/// Publications of [`Publisher::publish_each`](crate::Publisher::publish_each) with the same home,
/// each with its tag. May be dropped.
#[derive(Debug)]
#[must_use = "only the ticket says which publications were lost"]
pub struct HomeTicket<T> {
    tags: Vec<T>,
    answer: Answer,
}

impl<T> HomeTicket<T> {
    pub(super) fn new(tags: Vec<T>, answer: Answer) -> HomeTicket<T> {
        HomeTicket { tags, answer }
    }

    /// Waits for the results, in the order in which the publications were given.
    pub async fn results(self) -> impl Iterator<Item = (T, Result<Seq, PublishError>)> {
        // A shard that has ended dropped the other side.
        let results = self.answer.await.unwrap_or_default().into_iter();
        self.tags.into_iter().zip(results.chain(std::iter::repeat(Err(PublishError::Closed))))
    }
}
