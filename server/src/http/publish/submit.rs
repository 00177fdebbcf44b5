//! Handing messages to the engine, those with an id once.

use std::time::Instant;

use uringcast_engine::{Publication, PublishError, Seq};

use crate::http::Control;
use crate::http::idempotency::{Claim, PendingResult};
use crate::http::selected_service::SelectedService;

/// A message as it was asked for.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) publication: Publication,
    /// By which a repeat is known.
    pub(super) id: Option<Box<str>>,
}

impl Message {
    /// Takes an id from its request's, unless it has its own.
    pub(super) fn take_id(&mut self, key: &str, place: u64) {
        // No id of a message's own looks like this: it would have a control character.
        self.id.get_or_insert_with(|| format!("{key}\n{place}").into());
    }
}

/// A message that has its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) seq: Seq,
    /// It had it already.
    pub(super) repeat: bool,
}

/// How a message gets its position.
enum ResultSource {
    /// By its place among those that are published now.
    Published(usize),
    Known(Seq),
    PendingResult(PendingResult),
}

/// Publishes all messages that were not published already. One result each.
///
/// # Errors
/// [`PublishError::Saturated`]: nothing was published.
pub(super) async fn submit(
    control: &Control,
    chosen: SelectedService,
    messages: Vec<Message>,
) -> Result<Vec<Result<Accepted, PublishError>>, PublishError> {
    let publisher = control.publisher(chosen);
    let fresh =
        |result: Result<Seq, PublishError>| result.map(|seq| Accepted { seq, repeat: false });
    if messages.iter().all(|message| message.id.is_none()) {
        let batch = messages.into_iter().map(|message| message.publication).collect();
        let results = publisher.try_publish_batch(batch)?.await;
        return Ok(results.into_iter().map(fresh).collect());
    }
    let now = Instant::now();
    let (mut sources, mut batch, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
    for Message { publication, id } in messages {
        let channel = publication.channel.clone().at(chosen.0);
        let first = match id.map(|id| control.repeats.claim(channel, id, now)) {
            Some(Claim::Repeat(seq)) => {
                sources.push(ResultSource::Known(seq));
                continue;
            }
            Some(Claim::UnderWay(awaited)) => {
                sources.push(ResultSource::PendingResult(awaited));
                continue;
            }
            Some(Claim::Reservation(first)) => Some(first),
            None => None,
        };
        sources.push(ResultSource::Published(batch.len()));
        batch.push(publication);
        firsts.push(first);
    }
    let ticket = publisher.try_publish_batch(batch)?;
    // On its own: a publisher that hangs up must not leave the table without the answer.
    let published = tokio::spawn(async move {
        let results = ticket.await;
        for (first, result) in firsts.into_iter().zip(&results) {
            first.into_iter().for_each(|first| first.settle(*result));
        }
        results
    });
    let published = published.await.unwrap_or_default();
    let mut results = Vec::with_capacity(sources.len());
    let again = |seq| Accepted { seq, repeat: true };
    for way in sources {
        results.push(match way {
            ResultSource::Published(place) => {
                fresh(published.get(place).copied().unwrap_or(Err(PublishError::Closed)))
            }
            ResultSource::Known(seq) => Ok(again(seq)),
            ResultSource::PendingResult(awaited) => awaited.fate().await.map(again),
        });
    }
    Ok(results)
}
