//! The publications of one command, taken a few in a turn.

use std::collections::HashSet;

use crate::types::{ChannelName, Publication, PublishError, Seq};

/// What became of each publication, in their order.
type Results = Vec<Result<Seq, PublishError>>;

/// Publications that came together. Turns may lie between them.
pub(super) struct Posting {
    rest: std::vec::IntoIter<Publication>,
    results: Results,
    /// Channels without room for an earlier one: to take a later one would change their order.
    full: HashSet<ChannelName>,
    reply: oneshot::Sender<Results>,
}

impl Posting {
    pub(super) fn new(items: Vec<Publication>, reply: oneshot::Sender<Results>) -> Posting {
        let results = Vec::with_capacity(items.len());
        Posting { rest: items.into_iter(), results, full: HashSet::new(), reply }
    }

    /// Publishes the next one, and answers after the last. Returns itself if there are more.
    pub(super) fn post(
        mut self,
        publish: impl FnOnce(&Publication) -> Result<Seq, PublishError>,
    ) -> Option<Posting> {
        if let Some(item) = self.rest.next() {
            let result = match self.full.contains(&item.channel) {
                true => Err(PublishError::Saturated),
                false => publish(&item),
            };
            if matches!(result, Err(PublishError::Saturated)) {
                self.full.insert(item.channel);
            }
            self.results.push(result);
        }
        if self.rest.len() > 0 {
            return Some(self);
        }
        // Whoever asked may have stopped waiting: then nobody needs the answer.
        let _ = self.reply.send(self.results);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EventName, JsonObject};

    #[test]
    fn a_channel_that_had_no_room_gets_nothing_later_of_the_same_posting() {
        let full = Err(PublishError::Saturated);
        let item = |channel: &str| Publication {
            channel: ChannelName::parse(channel).unwrap(),
            event: EventName::parse("e").unwrap(),
            data: JsonObject::parse(b"{}").unwrap(),
        };
        let (reply, answer) = oneshot::channel();
        let items = ["a", "b", "a", "b"].map(item).to_vec();
        let mut posting = Some(Posting::new(items, reply));
        // In the turn of the first there is no room for it; later there is.
        let mut room = [full, Ok(Seq(1)), Ok(Seq(2))].into_iter();
        let mut turns = 0;
        while let Some(waiting) = posting.take() {
            posting = waiting.post(|_| room.next().unwrap());
            turns += 1;
        }
        assert_eq!(turns, 4);
        assert_eq!(answer.recv().unwrap(), [full, Ok(Seq(1)), full, Ok(Seq(2))]);
    }
}
