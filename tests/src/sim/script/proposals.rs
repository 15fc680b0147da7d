//! Commands of clients: proposals, how they ended, and the end of a script.

use std::time::Duration;

use super::stage::{Said, Scene};
use super::waits::PATIENCE;
use super::words::{Words, micros};
use crate::sim::client::{self, Ending};
use crate::sim::machine::Call;
use crate::sim::plan::Plan;
use crate::sim::run;

const NOTHING: Said = Ok(String::new());

impl Scene {
    /// `propose a 3`, `propose a 10 bytes 5000`: as many additions to a counter, and nobody waits for them.
    pub(super) fn propose(&mut self, words: &mut Words<'_>) -> Said {
        let (node, count) = (self.one(words)?, words.number().unwrap_or(1));
        let bytes = if words.take("bytes") { words.value()? } else { 0 };
        for _ in 0..count {
            let number = self.bring(node, Call::Add(1), bytes);
            self.open.push(number);
        }
        NOTHING
    }

    fn bring(&self, node: usize, call: Call, bytes: u64) -> u64 {
        client::bring(&self.world.watch, &self.world.history, node, call, bytes)
    }

    fn is_open(&self, number: u64) -> bool {
        self.world.history.ending(number) == Ending::Open
    }

    /// `ends`, `ends within 3s`: waits for all proposals, and tells how those ended of which it has not told.
    pub(super) fn ends(&mut self, words: &mut Words<'_>) -> Said {
        let limit = words.within(PATIENCE)?;
        self.wait(limit, |scene| !scene.open.iter().any(|&number| scene.is_open(number)));
        let endings = self.open.iter().map(|&number| self.world.history.ending(number));
        let endings: Vec<Ending> = endings.collect();
        let kinds = [
            (Ending::Answered, "committed"),
            (Ending::Failed, "refused"),
            (Ending::Unknown, "unknown"),
            (Ending::Open, "open"),
        ];
        let count = |kind| endings.iter().filter(|&&ending| ending == kind).count();
        let told = kinds.into_iter().map(|(kind, name)| (count(kind), name));
        let told =
            told.filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let mut open = std::mem::take(&mut self.open);
        open.retain(|&number| self.is_open(number));
        self.open = open;
        Ok(told)
    }

    /// `load clients=3 keys=2 think=5ms..20ms payload=8 patience=3s`: until the end.
    pub(super) fn load(&mut self, words: &mut Words<'_>) -> Said {
        let mut load = Plan::default().load;
        for word in words.rest() {
            let wrong = || format!("{word:?} says nothing of clients");
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let number = || value.parse::<u64>().map_err(|_| wrong());
            match name {
                "clients" => load.clients = number()?,
                "keys" => load.keys = number()?,
                "payload" => load.payload = number()?,
                "think" => load.think = micros(value)?,
                "patience" => load.patience = micros(value)?.1 / 1000,
                _ => return Err(wrong()),
            }
        }
        client::start(&self.world.watch, &self.world.history, load);
        NOTHING
    }

    /// Everything is healed and comes to rest, the counter is read, all states are compared and all answers explained, and
    /// all nodes shut down.
    pub(super) fn finish(&mut self) -> Said {
        self.world.heal();
        self.world.history.stop();
        self.rest()?;
        let leader = self.leader().ok_or("nobody leads at the end")?;
        let read = self.bring(leader, Call::Add(0), 0);
        self.wait(PATIENCE, |scene| !scene.is_open(read));
        if self.world.history.ending(read) != Ending::Answered {
            return Err("the counter cannot be read at the end".to_owned());
        }
        self.rest()?;
        run::conclude(&self.world);
        Ok("well".to_owned())
    }

    fn rest(&self) -> Result<(), String> {
        let patience: Duration = 20 * self.world.election_timeout();
        if run::comes_to_rest(&self.world, patience.as_nanos() as u64) {
            return Ok(());
        }
        Err(format!("I-27: the healed group comes to no rest: {}", run::describe(&self.world)))
    }
}
