//! Publishing from outside the shards.

use std::collections::HashSet;
use std::sync::Arc;

use super::handle::Handle;
use super::ticket::Part;
use super::{BatchTicket, HomeTicket, Ticket, publish_outside};
use crate::config::ExternalOrder;
use crate::limits::MAX_PUBLICATION;
use crate::shard::Command;
use crate::sync::Cost;
use crate::types::{Epoch, Homes, Publication, PublishError, ServiceId, ShardId};

/// Publishes into one service's channels from any thread. Cheap to clone. Once the engine drains or
/// has ended, every ticket resolves to [`PublishError::Closed`].
#[derive(Clone, Debug)]
pub struct Publisher {
    handle: Arc<Handle>,
    service: ServiceId,
}

impl Publisher {
    pub(super) fn new(handle: Arc<Handle>, service: ServiceId) -> Publisher {
        Publisher { handle, service }
    }

    /// The epoch of all positions that are given now: with a position of another one nothing can be
    /// recovered.
    pub fn epoch(&self) -> Epoch {
        self.handle.order.epoch()
    }

    /// Hands one publication to its channel's home shard, without waiting.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when the home's mailbox is full, [`PublishError::TooLarge`] when
    /// the data has more than [`MAX_PUBLICATION`] bytes.
    pub fn try_publish(&self, publication: Publication) -> Result<Ticket, PublishError> {
        self.try_publish_as(publication, None)
    }

    /// The same with the publisher's id of the message: an external order takes what comes again
    /// with it for the same message, as far back as it remembers. The engine itself does not.
    ///
    /// # Errors
    /// As for [`Publisher::try_publish`].
    pub fn try_publish_as(
        &self,
        publication: Publication,
        id: Option<Box<str>>,
    ) -> Result<Ticket, PublishError> {
        check_size(&publication)?;
        let publication = self.own(publication);
        if let Some(order) = self.order_of(&publication) {
            let request = (publication, id);
            return publish_outside::publish(&self.handle, order, request).map(Ticket);
        }
        let (reply, answer) = oneshot::async_channel();
        // Not serving: the reply is dropped, and so the ticket resolves.
        if self.handle.stage.is_serving() {
            let mailboxes = &self.handle.mailboxes;
            let home = self.handle.homes.of(&publication.channel);
            let items = vec![publication];
            let permit = mailboxes[home.index()].try_reserve(cost(&items));
            permit.ok_or(PublishError::Saturated)?.send(Command::Publish { items, reply });
        }
        Ok(Ticket(answer))
    }

    /// Hands over all publications or none; to an external order each by itself, and what follows
    /// one in its channel that found no room finds none. Order per channel is the order given. No
    /// mailbox holds
    /// more than [`MAILBOX_MESSAGES`](crate::limits::MAILBOX_MESSAGES), and
    /// [`MAILBOX_BYTES`](crate::limits::MAILBOX_BYTES) of data.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when one of the homes has no room for its part, and
    /// [`PublishError::TooLarge`] when one has more than [`MAX_PUBLICATION`] bytes of data.
    pub fn try_publish_batch(&self, batch: Vec<Publication>) -> Result<BatchTicket, PublishError> {
        batch.iter().try_for_each(check_size)?;
        let len = batch.len();
        if !self.handle.stage.is_serving() {
            return Ok(BatchTicket::new(len, Vec::new()));
        }
        if self.remembers_ids() {
            return Ok(self.publish_apart(batch.into_iter().map(|item| (item, None)).collect()));
        }
        let mailboxes = &self.handle.mailboxes;
        let batch = batch.into_iter().map(|publication| self.own(publication));
        let groups = group(batch.zip(0..), self.handle.homes);
        // Room everywhere first: until all of it is there, dropping the permits undoes everything.
        let permits = groups
            .iter()
            .map(|group| mailboxes[group.home.index()].try_reserve(cost(&group.items)))
            .collect::<Option<Vec<_>>>()
            .ok_or(PublishError::Saturated)?;
        let send = |(permit, group): (crate::sync::Permit<'_, _>, Group<usize>)| {
            let (reply, answer) = oneshot::async_channel();
            permit.send(Command::Publish { items: group.items, reply });
            Part { answer, places: group.tags }
        };
        Ok(BatchTicket::new(len, permits.into_iter().zip(groups).map(send).collect()))
    }

    /// Whether an external order gives messages their positions, and remembers ids: see
    /// [`Publisher::try_publish_as`].
    pub fn remembers_ids(&self) -> bool {
        self.handle.external.is_some()
    }

    /// As [`Publisher::try_publish_batch`], each publication with its publisher's id, if it has
    /// one: see [`Publisher::try_publish_as`].
    ///
    /// # Errors
    /// As for [`Publisher::try_publish_batch`].
    pub fn try_publish_batch_as(
        &self,
        batch: Vec<(Publication, Option<Box<str>>)>,
    ) -> Result<BatchTicket, PublishError> {
        if self.remembers_ids() && self.handle.stage.is_serving() {
            batch.iter().try_for_each(|(publication, _)| check_size(publication))?;
            return Ok(self.publish_apart(batch));
        }
        self.try_publish_batch(batch.into_iter().map(|(publication, _)| publication).collect())
    }

    /// Hands over publications that are independent of each other, with one wake-up for each home.
    /// The tag of each comes back with its result; first in the ticket of its home, or second at
    /// once, where the home's mailbox has no room for all that are for it, or the data has more
    /// than [`MAX_PUBLICATION`] bytes.
    pub fn publish_each<T>(
        &self,
        items: impl Iterator<Item = (Publication, T)>,
    ) -> (Vec<HomeTicket<T>>, Vec<T>) {
        let mut refused = Vec::new();
        let fitting = items.filter_map(|(publication, tag)| match check_size(&publication) {
            Ok(()) => Some((self.own(publication), tag)),
            Err(_) => {
                refused.push(tag);
                None
            }
        });
        if self.remembers_ids() {
            let mut tickets = Vec::new();
            for (publication, tag) in fitting.collect::<Vec<_>>() {
                match self.try_publish(publication) {
                    Ok(Ticket(answer)) => tickets.push(HomeTicket::new(vec![tag], answer)),
                    Err(_) => refused.push(tag),
                }
            }
            return (tickets, refused);
        }
        let groups = group(fitting, self.handle.homes);
        let mut tickets = Vec::with_capacity(groups.len());
        for Group { home, items, tags } in groups {
            let (reply, answer) = oneshot::async_channel();
            // Not serving: the reply is dropped, and so the ticket resolves.
            if self.handle.stage.is_serving() {
                let Some(permit) = self.handle.mailboxes[home.index()].try_reserve(cost(&items))
                else {
                    refused.extend(tags);
                    continue;
                };
                permit.send(Command::Publish { items, reply });
            }
            tickets.push(HomeTicket::new(tags, answer));
        }
        (tickets, refused)
    }

    /// Hands each publication to the external order by itself. What follows one in its channel that
    /// found no room finds none, too.
    fn publish_apart(&self, batch: Vec<(Publication, Option<Box<str>>)>) -> BatchTicket {
        let mut results = vec![Err(PublishError::Closed); batch.len()];
        let (mut parts, mut full) = (Vec::new(), HashSet::new());
        for (place, (publication, id)) in batch.into_iter().enumerate() {
            let channel = publication.channel.clone();
            let ticket = match full.contains(&channel) {
                true => Err(PublishError::Saturated),
                false => self.try_publish_as(publication, id),
            };
            match ticket {
                Ok(Ticket(answer)) => parts.push(Part { answer, places: vec![place] }),
                Err(why) => {
                    results[place] = Err(why);
                    full.insert(channel);
                }
            }
        }
        BatchTicket::with_results(results, parts)
    }

    /// The external order that numbers a publication, if the engine does not.
    fn order_of(&self, publication: &Publication) -> Option<&dyn ExternalOrder> {
        // The channel by which the engine checks itself stays its own.
        self.handle.external.as_deref().filter(|_| !publication.channel.is_probe())
    }

    fn own(&self, publication: Publication) -> Publication {
        Publication { channel: publication.channel.at(self.service), ..publication }
    }
}

fn check_size(publication: &Publication) -> Result<(), PublishError> {
    let fits = publication.data.as_str().len() <= MAX_PUBLICATION;
    if fits { Ok(()) } else { Err(PublishError::TooLarge) }
}

/// What publications take of a mailbox.
fn cost(items: &[Publication]) -> Cost {
    let bytes = items.iter().map(|item| item.data.as_str().len()).sum();
    Cost { entries: items.len(), bytes }
}

/// Publications that have the same home, in the order given.
#[derive(Debug)]
struct Group<T> {
    home: ShardId,
    items: Vec<Publication>,
    /// What came with each of them: in a batch its place.
    tags: Vec<T>,
}

fn group<T>(items: impl Iterator<Item = (Publication, T)>, homes: Homes) -> Vec<Group<T>> {
    // Mostly all have one home, or few of them.
    let (_, most) = items.size_hint();
    let mut groups: Vec<Group<T>> = Vec::new();
    for (item, tag) in items {
        let home = homes.of(&item.channel);
        // At most MAX_SHARDS groups: a linear search is cheaper than a map.
        let place = groups.iter().position(|group| group.home == home).unwrap_or_else(|| {
            let room = most.filter(|_| groups.is_empty()).unwrap_or(0);
            let (items, tags) = (Vec::with_capacity(room), Vec::with_capacity(room));
            groups.push(Group { home, items, tags });
            groups.len() - 1
        });
        groups[place].items.push(item);
        groups[place].tags.push(tag);
    }
    groups
}

#[cfg(test)]
mod tests;
