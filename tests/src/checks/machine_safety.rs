//! I-5: all state machines apply the same entries, in order, each once in a life, and leave none out.
//!
//! Only entries of users are shown, and nobody says which those are. So an entry counts as left out when others applied it,
//! sooner or later.

use super::facts::Facts;
use super::record::Mark;
use super::{Check, Seen, Verdict};

/// See the [module](self).
pub struct MachineSafety;

impl Check for MachineSafety {
    fn see(&mut self, seen: &Seen<'_>, facts: &Facts) -> Verdict {
        let Seen::Applies { node, mark } = seen else { return Ok(()) };
        let id = mark.id;
        let Some(truth) = facts.truth(id.index).filter(|truth| truth.id == id) else {
            let known = facts.truth(id.index).map(|truth| truth.id);
            return Err(format!("I-5: node {node} applies {id}, committed there is {known:?}"));
        };
        if truth.mark.is_some_and(|known| known != *mark) {
            return Err(format!("I-5: node {node} applies another {id} than others did"));
        }
        leaves_none_out(*node, mark, facts)?;
        if truth.mark.is_some() {
            return Ok(());
        }
        match facts.nodes.iter().position(|other| other.applied >= id.index) {
            Some(other) => Err(format!("I-5: node {node} applies {id}, which {other} left out")),
            None => Ok(()),
        }
    }
}

fn leaves_none_out(node: usize, mark: &Mark, facts: &Facts) -> Verdict {
    let (index, applied) = (mark.id.index, facts.nodes[node].applied);
    if index <= applied {
        return Err(format!("I-5: node {node} applies {index} after {applied}"));
    }
    let between = &facts.committed[applied.0 as usize..index.prev().0 as usize];
    match between.iter().find(|truth| truth.mark.is_some()) {
        Some(left) => Err(format!("I-5: node {node} applies {index} and leaves {} out", left.id)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jraft_core::Role;

    use super::super::kit::{Fake, World, assert_breaks, mark};
    use super::*;

    /// Three committed entries.
    fn world() -> World<MachineSafety> {
        let mut world = World::new(MachineSafety);
        world.look(0, &Fake::new(Role::Leader, 2, &[1, 1, 2]).committed(3)).unwrap();
        world
    }

    fn applies(world: &mut World<MachineSafety>, node: usize, mark: Mark) -> Verdict {
        world.see(&Seen::Applies { node, mark })
    }

    #[test]
    fn everybody_applies_the_same_again_after_a_restart() {
        let mut world = world();
        for node in [0, 1, 0] {
            world.start(node).unwrap();
            applies(&mut world, node, mark(2, 1, "a")).unwrap();
            applies(&mut world, node, mark(3, 2, "b")).unwrap();
        }
    }

    #[test]
    fn what_is_not_committed_or_not_the_same_is_found() {
        let mut world = world();
        applies(&mut world, 0, mark(2, 1, "a")).unwrap();
        assert_breaks(&applies(&mut world, 1, mark(2, 1, "b")), "I-5");
        assert_breaks(&applies(&mut world, 1, mark(2, 2, "a")), "I-5");
        assert_breaks(&applies(&mut world, 1, mark(4, 2, "a")), "I-5");
    }

    #[test]
    fn twice_and_left_out_is_found() {
        let mut world = world();
        applies(&mut world, 0, mark(2, 1, "a")).unwrap();
        assert_breaks(&applies(&mut world, 0, mark(2, 1, "a")), "I-5");
        assert_breaks(&applies(&mut world, 1, mark(3, 2, "b")), "I-5");
        applies(&mut world, 0, mark(3, 2, "b")).unwrap();
        assert_breaks(&applies(&mut world, 1, mark(1, 1, "c")), "I-5");
    }
}
