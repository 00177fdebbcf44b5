//! Single messages of different requests, handed over together: a shard that sleeps is woken once
//! for all that one round of the control thread brought, and answers once.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use uringcast_engine::{Publication, PublishError, Publisher, Seq};

use super::idempotency::Reservation;
use crate::handover::EngineGate;
use crate::limits::PUBLISH_QUEUE;

/// The messages of one service that wait. Its task ends when the queue is dropped.
#[derive(Debug)]
pub(super) struct PublishQueue(mpsc::Sender<(Publication, Waiting)>);

/// What waits for a message's result.
#[derive(Debug)]
struct Waiting {
    reservation: Option<Reservation>,
    reply: oneshot::Sender<Result<Seq, PublishError>>,
}

impl PublishQueue {
    /// Starts the queue's task on the runtime of this thread.
    pub(super) fn start(publisher: Publisher, gate: EngineGate) -> PublishQueue {
        let (sender, receiver) = mpsc::channel(PUBLISH_QUEUE);
        tokio::spawn(hand_over(publisher, gate, receiver));
        PublishQueue(sender)
    }

    /// Publishes a message and waits for its result. Its reservation is settled even if the caller
    /// stops waiting.
    ///
    /// # Errors
    /// [`PublishError::Saturated`]: it was not handed over.
    pub(super) async fn publish(
        &self,
        publication: Publication,
        reservation: Option<Reservation>,
    ) -> Result<Result<Seq, PublishError>, PublishError> {
        let (reply, result) = oneshot::channel();
        let waiting = Waiting { reservation, reply };
        self.0.try_send((publication, waiting)).map_err(|_| PublishError::Saturated)?;
        // One that is refused is dropped.
        result.await.map_err(|_| PublishError::Saturated)
    }
}

impl Waiting {
    fn resolve(self, result: Result<Seq, PublishError>) {
        self.reservation.into_iter().for_each(|reservation| reservation.settle(result));
        // Fails if the request has ended.
        let _ = self.reply.send(result);
    }
}

/// Hands over what one round of the control thread brought: its tasks that were ready, and those
/// that became so meanwhile.
async fn hand_over(
    publisher: Publisher,
    gate: EngineGate,
    mut receiver: mpsc::Receiver<(Publication, Waiting)>,
) {
    let mut items = Vec::new();
    while let Some(first) = receiver.recv().await {
        // Twice the messages for each wake-up of a shard, under load.
        tokio::task::yield_now().await;
        let passage = gate.pass().await.map(Arc::new);
        items.push(first);
        items.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        if passage.is_none() {
            items.drain(..).for_each(|(_, waiting)| waiting.resolve(Err(PublishError::Closed)));
            continue;
        }
        if publisher.remembers_ids() {
            items.drain(..).for_each(|(publication, waiting)| {
                hand_over_one(&publisher, publication, waiting);
            });
            continue;
        }
        let (tickets, _refused) = publisher.publish_each(items.drain(..));
        for ticket in tickets {
            // Not waited for: a shard that is late delays no other.
            let passage = passage.clone();
            tokio::spawn(async move {
                for (waiting, result) in ticket.results().await {
                    waiting.resolve(result);
                }
                drop(passage);
            });
        }
    }
}

/// Hands over one message with its id, by which an order of several servers knows a repeat.
fn hand_over_one(publisher: &Publisher, publication: Publication, waiting: Waiting) {
    let id = waiting.reservation.as_ref().map(Reservation::message_id);
    match publisher.try_publish_as(publication, id) {
        Ok(ticket) => drop(tokio::spawn(async move { waiting.resolve(ticket.await) })),
        Err(why) => waiting.resolve(Err(why)),
    }
}

#[cfg(test)]
mod tests;
