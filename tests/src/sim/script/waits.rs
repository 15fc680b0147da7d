//! Commands that let time pass, until something is so.

use std::time::Duration;

use jraft_core::{LogIndex, Role};

use super::stage::{Said, Scene};
use super::words::{Words, times};
use crate::sim::net::links::{Deed, Kind, Which};
use crate::sim::run::{describe, is_even};

/// How long to wait for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

const NOTHING: Said = Ok(String::new());

impl Scene {
    /// `run 500ms`, `run 0ms..500ms`: of those, any time.
    pub(super) fn run(&mut self, words: &mut Words<'_>) -> Said {
        let (from, to) = times(words.word()?)?;
        let micros = self.dice.within(from.as_micros() as u64, to.as_micros() as u64);
        self.wait(Duration::from_micros(micros), |_| false);
        NOTHING
    }

    /// `until a leader`, `until a candidate term 3`, `until b down`, `until b last 7 within 3s`.
    pub(super) fn until(&mut self, words: &mut Words<'_>) -> Said {
        let node = self.one(words)?;
        let what = words.word()?;
        let index = match what {
            "last" | "committed" | "applied" => LogIndex(words.value()?),
            "down" | "up" | "leader" | "candidate" | "follower" | "failed" => LogIndex::ZERO,
            other => return Err(format!("{other:?} is nothing to wait for")),
        };
        let term: Option<u64> = if words.take("term") { Some(words.value()?) } else { None };
        let limit = words.within(PATIENCE)?;
        let is_so = |scene: &Self| {
            let Some(handle) = scene.node(node) else {
                return what == "down" && scene.world.hub.life(node).is_none();
            };
            let status = handle.status();
            let is_so = match what {
                "up" => true,
                "leader" => status.role == Role::Leader,
                "candidate" => status.role == Role::Candidate,
                "follower" => status.role == Role::Follower,
                "failed" => status.role == Role::Error,
                "last" => status.last_log.index >= index,
                "committed" => status.committed >= index,
                "applied" => status.applied >= index,
                _ => false,
            };
            is_so && term.is_none_or(|term| term == status.term.0)
        };
        if self.wait(limit, is_so) {
            return NOTHING;
        }
        Err(format!("it is not so within {limit:?}: {}", describe(&self.world)))
    }

    /// All nodes are up, and have one leader and one log, committed and applied.
    pub(super) fn until_even(&mut self, words: &mut Words<'_>) -> Said {
        let limit = words.within(PATIENCE)?;
        if self.wait(limit, |scene| is_even(&scene.world)) {
            return Ok("even".to_owned());
        }
        Ok(describe(&self.world))
    }

    /// `elect a`: nobody else's candidacies reach anybody until it leads.
    pub(super) fn elect(&mut self, words: &mut Words<'_>) -> Said {
        let node = self.one(words)?;
        let from = (0..self.count()).filter(|&other| other != node).collect();
        let others = Which { from, kinds: vec![Kind::PreVote, Kind::Vote], ..Which::default() };
        let rule = (others, Deed::Lose);
        self.world.net.links.lock().rules.push(rule.clone());
        let leads = self.wait(PATIENCE, |scene| scene.leader() == Some(node));
        self.world.net.links.lock().rules.retain(|known| *known != rule);
        if leads { NOTHING } else { Err(format!("it is not elected: {}", describe(&self.world))) }
    }

    /// `leader as L among a b within 3s`: L, and the others as F1, F2, ... in the order of their own names.
    pub(super) fn find_leader(&mut self, words: &mut Words<'_>) -> Said {
        let name = if words.take("as") { Some(words.word()?) } else { None };
        let among = if words.take("among") { Some(self.some(words)?) } else { None };
        let limit = words.within(PATIENCE)?;
        let fits = |node: &usize| among.as_ref().is_none_or(|among| among.contains(node));
        if !self.wait(limit, |scene| scene.leader().filter(fits).is_some()) {
            return Ok(format!("no leader within {limit:?}"));
        }
        if let (Some(name), Some(leader)) = (name, self.leader()) {
            let others = (0..self.count()).filter(|&node| node != leader);
            for (number, node) in (1..).zip(others) {
                self.call(node, &format!("F{number}"));
            }
            self.call(leader, name);
        }
        Ok("one leader".to_owned())
    }

    /// `no-leader 3s`: nobody leads in all that time.
    pub(super) fn no_leader(&mut self, words: &mut Words<'_>) -> Said {
        let time = words.time()?;
        let leads = |scene: &Self, node| {
            scene.node(node).is_some_and(|handle| handle.status().role == Role::Leader)
        };
        let mut found = None;
        self.wait(time, |scene| {
            found = (0..scene.count()).find(|&node| leads(scene, node));
            found.is_some()
        });
        Ok(match found {
            None => "no leader".to_owned(),
            Some(node) => format!("{} leads", self.name_of(node)),
        })
    }
}
