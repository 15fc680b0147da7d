//! Commands that do something to nodes: deaths, starts, pauses, failures of their disks.

use std::time::Duration;

use super::stage::{Said, Scene};
use super::words::Words;
use crate::sim::plan::{Action, Death};

/// A start, and a shutdown, take less than this.
const LONGEST: Duration = Duration::from_secs(30);

const NOTHING: Said = Ok(String::new());

impl Scene {
    /// Starts nodes, and waits until they run or die of it.
    pub(super) fn start(&self, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.world.boot(node));
        let is_done =
            |scene: &Self, node| scene.node(node).is_some() || scene.world.hub.life(node).is_none();
        self.wait(LONGEST, |scene| nodes.iter().all(|&node| is_done(scene, node)));
    }

    /// `crash a b power`.
    pub(super) fn crash(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        let death = death(words)?;
        nodes.iter().for_each(|&node| self.world.act(&Action::Crash(node, death)));
        NOTHING
    }

    /// `crash-at a power 1 before reply`.
    pub(super) fn crash_at(&mut self, words: &mut Words<'_>) -> Said {
        let (node, death, count) = (self.one(words)?, death(words)?, words.value()?);
        let point = words.rest().join(" ");
        if !crate::sim::points::POINTS.contains(&point.as_str()) {
            return Err(format!("no node passes {point:?}"));
        }
        self.world.act(&Action::CrashAt(node, death, count, point));
        NOTHING
    }

    /// `crash-at-op a kill 3`.
    pub(super) fn crash_at_op(&mut self, words: &mut Words<'_>) -> Said {
        let (node, death, count) = (self.one(words)?, death(words)?, words.value()?);
        self.world.act(&Action::CrashAtOp(node, death, count));
        NOTHING
    }

    /// `boot a b`.
    pub(super) fn boot(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        self.start(&nodes);
        NOTHING
    }

    /// `stop a b`.
    pub(super) fn stop(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        nodes.iter().for_each(|&node| self.world.act(&Action::Stop(node)));
        let is_down = |scene: &Self, node| scene.world.hub.life(node).is_none();
        match self.wait(LONGEST, |scene| nodes.iter().all(|&node| is_down(scene, node))) {
            true => NOTHING,
            false => Err("a node does not shut down".to_owned()),
        }
    }

    /// `pause a b 200ms`.
    pub(super) fn pause(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        let micros = words.time()?.as_micros() as u64;
        nodes.iter().for_each(|&node| self.world.act(&Action::Pause(node, micros)));
        NOTHING
    }

    /// `fail-sync a`, or `fail-sync a losing`.
    pub(super) fn fail_sync(&mut self, words: &mut Words<'_>) -> Said {
        let (node, loses) = (self.one(words)?, words.take("losing"));
        self.world.act(&Action::FailSync(node, loses));
        NOTHING
    }

    /// `fail-write a`.
    pub(super) fn fail_write(&mut self, words: &mut Words<'_>) -> Said {
        let node = self.one(words)?;
        self.world.act(&Action::FailWrite(node));
        NOTHING
    }
}

fn death(words: &mut Words<'_>) -> Result<Death, String> {
    words.word()?.parse()
}
