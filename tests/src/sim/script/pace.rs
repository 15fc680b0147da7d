//! Commands that say how fast disks, tasks and messages are.

use super::stage::{Said, Scene};
use super::words::{Words, micros};

const NOTHING: Said = Ok(String::new());

impl Scene {
    /// `disk a b log 500ms meta 1ms..5ms`: twice so long, before a write and before the node hears of it.
    pub(super) fn disk(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        loop {
            let is_log = match words.word_if(|_| true) {
                Some("log") => true,
                Some("meta") => false,
                Some(other) => return Err(format!("{other:?} is no disk: log, meta")),
                None => return NOTHING,
            };
            let pace = micros(words.word()?)?;
            for &node in &nodes {
                let mut disk = self.world.nodes[node].pace.lock();
                *(if is_log { &mut disk.log } else { &mut disk.meta }) = pace;
            }
        }
    }

    /// `slow-task a 300ms log`: before each turn of the tasks of this name.
    pub(super) fn slow_task(&mut self, words: &mut Words<'_>) -> Said {
        let (node, time) = (self.one(words)?, words.time()?);
        let name = words.rest().join(" ");
        self.world.hub.slow_down(node, &name, time.as_micros() as u64);
        NOTHING
    }

    /// `net delay=1ms..20ms loss=100 twice=50 tail=20/300ms order=any tells=no`: chances in a thousand.
    pub(super) fn net(&mut self, words: &mut Words<'_>) -> Said {
        let mut pace = self.world.net.links.lock().pace;
        for word in words.rest() {
            let wrong = || format!("{word:?} says nothing of a network");
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let number = |value: &str| value.parse::<u64>().map_err(|_| wrong());
            match name {
                "delay" => pace.delay = micros(value)?,
                "loss" => pace.loss = number(value)?,
                "twice" => pace.twice = number(value)?,
                "tail" => {
                    let (chance, longest) = value.split_once('/').ok_or_else(wrong)?;
                    pace.tail = (number(chance)?, micros(longest)?.1);
                }
                "order" => pace.in_order = value == "kept",
                "tells" => pace.tells = value == "yes",
                _ => return Err(wrong()),
            }
        }
        self.world.net.links.lock().pace = pace;
        NOTHING
    }
}
