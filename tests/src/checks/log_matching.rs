//! I-3: two entries of the same index and term are the same, and so are the entries before them.

use jraft_core::message::RaftRequest;
use jraft_core::{LogEntry, Term};

use super::facts::Facts;
use super::record::Mark;
use super::{Check, Seen, Verdict};

/// An entry that was seen.
struct Known {
    mark: Mark,
    /// The term of the entry before it, once it was seen.
    before: Option<Term>,
}

/// All entries ever written or sent, by index; few indexes have entries of many terms.
#[derive(Default)]
pub struct LogMatching(Vec<Vec<Known>>);

impl LogMatching {
    fn saw(&mut self, node: usize, before: Option<Term>, entries: &[LogEntry]) -> Verdict {
        let mut before = before;
        for entry in entries {
            self.saw_one(node, before, Mark::of(entry))?;
            before = Some(entry.id.term);
        }
        Ok(())
    }

    fn saw_one(&mut self, node: usize, before: Option<Term>, mark: Mark) -> Verdict {
        let place = mark.id.index.0 as usize;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Vec::new);
        }
        let here = &mut self.0[place];
        let Some(known) = here.iter_mut().find(|known| known.mark.id == mark.id) else {
            here.push(Known { mark, before });
            return Ok(());
        };
        if known.mark != mark {
            return Err(format!("I-3: node {node} has another entry {} than others", mark.id));
        }
        match (known.before, before) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                let id = mark.id;
                Err(format!("I-3: node {node} has {id} after term {ours}, others after {theirs}"))
            }
            _ => {
                known.before = known.before.or(before);
                Ok(())
            }
        }
    }
}

impl Check for LogMatching {
    fn see(&mut self, seen: &Seen<'_>, _: &Facts) -> Verdict {
        match seen {
            Seen::Appends { node, before, entries } => self.saw(*node, *before, entries),
            Seen::Sends { node, request: RaftRequest::AppendEntries(request) } => {
                self.saw(*node, Some(request.prev.term), request.entries.entries())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{World, append, assert_breaks, entries, entry};
    use super::*;

    fn appends(
        world: &mut World<LogMatching>,
        before: Option<u64>,
        entries: &[LogEntry],
    ) -> Verdict {
        world.see(&Seen::Appends { node: 1, before: before.map(Term), entries })
    }

    #[test]
    fn the_same_entries_may_be_seen_often() {
        let mut world = World::new(LogMatching::default());
        world.sends(0, &append(0, 3, (1, 1), &[2, 3])).unwrap();
        world.sends(0, &append(0, 3, (2, 2), &[3])).unwrap();
        appends(&mut world, None, &entries(1, &[2, 3])).unwrap();
        appends(&mut world, Some(1), &entries(1, &[1])).unwrap();
    }

    #[test]
    fn another_payload_is_found() {
        let mut world = World::new(LogMatching::default());
        appends(&mut world, Some(0), &[entry(1, 1, "x")]).unwrap();
        assert_breaks(&appends(&mut world, Some(0), &[entry(1, 1, "y")]), "I-3");
    }

    #[test]
    fn another_past_is_found_as_soon_as_it_is_known() {
        let mut world = World::new(LogMatching::default());
        appends(&mut world, None, &entries(1, &[3])).unwrap();
        world.sends(0, &append(0, 3, (1, 1), &[3])).unwrap();
        assert_breaks(&world.sends(0, &append(0, 3, (1, 2), &[3])), "I-3");
    }
}
