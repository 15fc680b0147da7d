//! I-15, as far as a node can see to it: its log on the disk is never newer than its term there. A crash between the two would
//! leave a log that no history explains.

use super::facts::Facts;
use super::{Check, Seen, Verdict};

/// See the [module](self).
pub struct WriteOrder;

impl Check for WriteOrder {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Appends { node, entries, .. } = seen else { return Ok(()) };
        let Some(last) = entries.last() else { return Ok(()) };
        let (id, durable) = (last.id, facts.durable_meta_term(*node));
        if id.term <= durable {
            return Ok(());
        }
        Err(format!("I-15: node {node} writes {id} when only term {durable} is durable"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{World, assert_breaks, entries};
    use super::*;

    #[test]
    fn entries_come_after_their_term() {
        let mut world = World::new(WriteOrder);
        world.meta(0, 3, None);
        let (good, bad) = (entries(0, &[2, 3]), entries(2, &[3, 4]));
        world.see(&Seen::Appends { node: 0, before: None, entries: &good }).unwrap();
        let bad = Seen::Appends { node: 0, before: None, entries: &bad };
        assert_breaks(&world.see(&bad), "I-15");
    }
}
