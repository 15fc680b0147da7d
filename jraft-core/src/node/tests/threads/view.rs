//! The published view: nobody who follows it misses the last change.

use std::sync::Arc;

use jraft_spi::env::MonoTime;
use jraft_spi::status::NodeStatus;
use jraft_spi::storage::{RaftMeta, Recovered};
use jraft_spi::{LogIndex, NodeOptions, Term};
use shuttle::future::block_on;

use super::id;
use crate::node::StatusWatch;
use crate::node::state::{NodeState, Opened};
use crate::node::view::ViewCell;
use crate::sync::tests::kit::{Call, at_once, explore};

fn state(term: u64) -> NodeState {
    let opened = Opened {
        meta: RaftMeta { term: Term(term), voted_for: None },
        recovered: Recovered::empty(),
        initial_conf: Default::default(),
    };
    NodeState::new(id(), Arc::new(NodeOptions::default()), opened, MonoTime::ZERO)
}

fn cell() -> Arc<ViewCell> {
    Arc::new(ViewCell::new(NodeStatus::new(id().group, id().peer)))
}

#[test]
fn who_follows_the_view_sees_the_last_change_of_both_who_make_it() {
    explore(2_000, || {
        let view = cell();
        let follow = || -> Call {
            let view = Arc::clone(&view);
            Box::new(move || {
                let mut watch = StatusWatch::new(view);
                let mut before = (Term(0), LogIndex(0));
                let last = block_on(watch.until(|status| {
                    let now = (status.term, status.applied);
                    assert!(before.0 <= now.0 && before.1 <= now.1, "{before:?}, then {now:?}");
                    before = now;
                    now == (Term(2), LogIndex(2))
                }));
                assert_eq!(last.term, Term(2));
            })
        };
        let (publisher, lane) = (Arc::clone(&view), Arc::clone(&view));
        at_once([
            follow(),
            follow(),
            Box::new(move || (1..=2).for_each(|term| publisher.publish(&state(term)).wake())),
            Box::new(move || (1..=2).for_each(|index| lane.set_applied(LogIndex(index)))),
        ]);
    });
}

#[test]
fn what_has_changed_since_the_watch_was_made_is_told_at_once() {
    explore(2_000, || {
        let view = cell();
        let mut watch = StatusWatch::new(Arc::clone(&view));
        let mut other = StatusWatch::new(Arc::clone(&view));
        let (publisher, lane) = (Arc::clone(&view), Arc::clone(&view));
        at_once([
            Box::new(move || publisher.publish(&state(1)).wake()),
            Box::new(move || lane.set_applied(LogIndex(1))),
            Box::new(move || drop(block_on(other.changed()))),
            Box::new(move || {
                // One change at a time, or both together.
                let seen = block_on(watch.changed());
                if (seen.term, seen.applied) != (Term(1), LogIndex(1)) {
                    let seen = block_on(watch.changed());
                    assert_eq!((seen.term, seen.applied), (Term(1), LogIndex(1)));
                }
            }),
        ]);
    });
}
