//! Handing messages to the engine, those with an id once.

use std::fmt::Write as _;
use std::time::Instant;

use uringcast_engine::{Publication, PublishError, Seq};

use crate::http::idempotency::{Claim, PendingResult, Reservation};
use crate::http::selected_service::SelectedService;

/// A message as a request has it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) publication: Publication,
    /// By which a repeat is recognized.
    pub(super) id: Option<Box<str>>,
}

impl Message {
    /// Sets the id that its request's key gives, unless it has an id.
    pub(super) fn take_id(&mut self, key: &str, place: u64) {
        // No id in a body looks like this: control characters are refused there.
        self.id.get_or_insert_with(|| {
            // One allocation of the right size, nearly always.
            let mut id = String::with_capacity(key.len() + 2);
            id += key;
            // Writing to a String cannot fail.
            let _ = write!(id, "\n{place}");
            id.into()
        });
    }
}

/// A message that has its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) seq: Seq,
    /// An earlier request has published it.
    pub(super) duplicate: bool,
}

/// Where a message's result comes from.
enum ResultSource {
    /// The message at this place among those that are published now.
    Published(usize),
    Known(Seq),
    Pending(PendingResult),
}

/// Publishes all messages that were not published already. One result each.
///
/// # Errors
/// [`PublishError::Saturated`] and [`PublishError::Closed`]: nothing was published.
pub(super) async fn submit(
    selected: &SelectedService,
    mut messages: Vec<Message>,
) -> Result<Vec<Result<Accepted, PublishError>>, PublishError> {
    match messages.pop() {
        Some(message) if messages.is_empty() => Ok(vec![submit_one(selected, message).await?]),
        last => {
            messages.extend(last);
            submit_batch(selected, messages).await
        }
    }
}

/// One message waits for those of other requests, so that all wake a shard once.
///
/// # Errors
/// As for [`submit`].
pub(super) async fn submit_one(
    selected: &SelectedService,
    Message { publication, id }: Message,
) -> Result<Result<Accepted, PublishError>, PublishError> {
    let claim = id.map(|id| {
        let (owner, channel) = (selected.owner(), &publication.channel);
        selected.control.idempotency.claim(owner, channel, id, Instant::now())
    });
    let repeat = |seq| Accepted { seq, duplicate: true };
    let reservation = match claim {
        Some(Claim::Known(seq)) => return Ok(Ok(repeat(seq))),
        Some(Claim::Pending(pending)) => return Ok(pending.result().await.map(repeat)),
        Some(Claim::New(reservation)) => Some(reservation),
        None => None,
    };
    let queue = selected.control.publish_queue(selected.id);
    let result = queue.publish(publication, reservation).await?;
    Ok(result.map(|seq| Accepted { seq, duplicate: false }))
}

/// Several messages of a request are handed over together, or none of them.
async fn submit_batch(
    selected: &SelectedService,
    messages: Vec<Message>,
) -> Result<Vec<Result<Accepted, PublishError>>, PublishError> {
    let (now, owner) = (Instant::now(), selected.owner());
    let (mut sources, mut batch, mut reservations) = (Vec::new(), Vec::new(), Vec::new());
    for Message { publication, id } in messages {
        let channel = &publication.channel;
        let claim = id.map(|id| selected.control.idempotency.claim(owner, channel, id, now));
        sources.push(match claim {
            Some(Claim::Known(seq)) => ResultSource::Known(seq),
            Some(Claim::Pending(pending)) => ResultSource::Pending(pending),
            Some(Claim::New(reservation)) => {
                reservations.push((batch.len(), reservation));
                ResultSource::Published(batch.len())
            }
            None => ResultSource::Published(batch.len()),
        });
        if let Some(ResultSource::Published(_)) = sources.last() {
            batch.push(publication);
        }
    }
    let published = publish(selected, batch, reservations).await?;
    let mut results = Vec::with_capacity(sources.len());
    for source in sources {
        let (result, duplicate) = match source {
            ResultSource::Published(place) => (published[place], false),
            ResultSource::Known(seq) => (Ok(seq), true),
            ResultSource::Pending(pending) => (pending.result().await, true),
        };
        results.push(result.map(|seq| Accepted { seq, duplicate }));
    }
    Ok(results)
}

/// Publishes a batch, and settles the reservations of its messages, each with its place.
async fn publish(
    selected: &SelectedService,
    batch: Vec<Publication>,
    reservations: Vec<(usize, Reservation)>,
) -> Result<Vec<Result<Seq, PublishError>>, PublishError> {
    let Some(passage) = selected.control.gate.pass().await else {
        let closed = Err(PublishError::Closed);
        reservations.into_iter().for_each(|(_, reservation)| reservation.settle(closed));
        return Err(PublishError::Closed);
    };
    let publisher = selected.control.publisher(selected.id);
    let ticket = match publisher.remembers_ids() {
        false => publisher.try_publish_batch(batch)?,
        true => {
            let mut batch: Vec<_> = batch.into_iter().map(|item| (item, None)).collect();
            for (place, reservation) in &reservations {
                batch[*place].1 = Some(reservation.message_id());
            }
            publisher.try_publish_batch_as(batch)?
        }
    };
    if reservations.is_empty() {
        let results = ticket.await;
        drop(passage);
        return Ok(results);
    }
    // In a task of its own: the table gets the results even if the publisher hangs up.
    let settled = tokio::spawn(async move {
        let results = ticket.await;
        for (place, reservation) in reservations {
            reservation.settle(results[place]);
        }
        drop(passage);
        results
    });
    Ok(settled.await.expect("settling does not panic, and the task is not aborted"))
}
