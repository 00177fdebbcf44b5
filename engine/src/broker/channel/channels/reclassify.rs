//! Other classes for the channels that there are.

use std::rc::Rc;

use super::Channels;
use crate::broker::context::Context;

impl Channels {
    /// Asks for the class of every channel anew. What a log keeps beyond its new class's limits
    /// goes; what waits for others longer than it may now waits no more.
    pub(in crate::broker) fn reclassify(&mut self, cx: &mut Context) {
        for slot in 0..self.table.slots() {
            let Some((index, channel)) = self.table.at(slot) else { continue };
            let new = Rc::clone(cx.class_of(&channel.name));
            if channel.class == new {
                continue;
            }
            let is_hasty = new.coalesce < channel.class.coalesce;
            self.table[index].class = new;
            if is_hasty {
                self.hurry(index);
            }
            self.retention.trim(cx, &mut self.table, index);
        }
    }
}
