//! `Entries`: the committed entries that a state machine is given, and how it answers them.
//!
//! The reference's `Iterator`; completions are run by the lane, a user cannot forget one.

use std::any::Any;

use bytes::Bytes;
use jraft_spi::{LogEntry, LogId, LogIndex};

use crate::closure::AcceptedTask;

/// What belongs to one entry while it is applied.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) task: Option<AcceptedTask>,
    pub(super) reply: Option<Box<dyn Any + Send>>,
}

/// One batch, in log order: an iterator over user data only.
pub struct Entries<'a> {
    entries: std::slice::Iter<'a, LogEntry>,
    slots: std::slice::IterMut<'a, Slot>,
    handed_out: Option<LogId>,
    committed: &'a mut dyn FnMut(LogIndex),
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        entries: &'a [LogEntry],
        slots: &'a mut [Slot],
        committed: &'a mut dyn FnMut(LogIndex),
    ) -> Self {
        Self { entries: entries.iter(), slots: slots.iter_mut(), handed_out: None, committed }
    }

    /// Publishes the entries handed out so far as applied, in the middle of a long batch: `Node::status` shows them. They
    /// cannot be rolled back any more. What waits on the lane, closures and reads, still comes after the batch.
    pub fn commit(&mut self) {
        if let Some(id) = self.handed_out {
            (self.committed)(id.index);
        }
    }

    pub(super) const fn handed_out(&self) -> Option<LogId> {
        self.handed_out
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = self.entries.next()?;
        let slot = self.slots.next()?;
        self.handed_out = Some(entry.id);
        Some(Entry { entry, slot })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// One committed entry.
pub struct Entry<'a> {
    entry: &'a LogEntry,
    slot: &'a mut Slot,
}

impl Entry<'_> {
    /// Where it stands in the log.
    pub const fn id(&self) -> LogId {
        self.entry.id
    }

    /// The payload.
    pub const fn data(&self) -> &Bytes {
        &self.entry.data
    }

    /// Whether it was proposed through this node since it started, and somebody may wait for a reply.
    pub const fn is_local(&self) -> bool {
        self.slot.task.is_some()
    }

    /// What `Task::context` gave, on the node that proposed the entry.
    pub fn context<T: 'static>(&self) -> Option<&T> {
        self.slot.task.as_ref()?.context.as_ref()?.downcast_ref()
    }

    /// Answers whoever proposed it, if that was on this node.
    pub fn reply<T: Send + 'static>(self, value: T) {
        let awaited = self.slot.task.as_ref().is_some_and(|task| task.done.is_some());
        if awaited {
            self.slot.reply = Some(Box::new(value));
        }
    }
}
