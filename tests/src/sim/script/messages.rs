//! Commands that cut links, and that hold, lose and deliver messages.

use super::stage::{Said, Scene};
use super::words::{Words, kinds};
use crate::sim::net::links::{Deed, Kind, Travel, Which};
use crate::sim::net::message::HeldMessage;
use crate::sim::plan::Action;

const NOTHING: Said = Ok(String::new());

impl Scene {
    /// `cut a b from c d`: both ways, or from the second to the first.
    pub(super) fn cut(&mut self, words: &mut Words<'_>, both_ways: bool) -> Said {
        let here = self.some(words)?;
        words.expect("from")?;
        let there = self.some(words)?;
        for &node in &here {
            for &other in there.iter().filter(|&&other| other != node) {
                self.world.act(&Action::Cut(other, node));
                if both_ways {
                    self.world.act(&Action::Cut(node, other));
                }
            }
        }
        NOTHING
    }

    /// `isolate a b`: each of them.
    pub(super) fn isolate(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some(words)?;
        nodes.iter().for_each(|&node| self.world.act(&Action::Isolate(node)));
        NOTHING
    }

    /// All links are whole, nothing is held or lost any more; what is held already still is.
    pub(super) fn heal(&mut self) -> Said {
        self.world.act(&Action::Heal);
        NOTHING
    }

    /// `vote,prevote from a b to c term 3 index 7`, in any order, and each part only if it is there.
    fn which(&self, words: &mut Words<'_>) -> Result<Which, String> {
        let mut which = Which::default();
        while let Some(word) = words.word_if(|_| true) {
            match word {
                "from" => which.from = self.some(words)?,
                "to" => which.to = self.some(words)?,
                "term" => which.term = Some(words.value()?),
                "index" => which.index = Some(words.value()?),
                names => which.kinds = kinds(names)?,
            }
        }
        Ok(which)
    }

    /// `hold vote from a`, `lose append to c`, `pass vote from a to b`.
    pub(super) fn rule(&mut self, name: &str, words: &mut Words<'_>) -> Said {
        let deed = match name {
            "hold" => Deed::Hold,
            "lose" => Deed::Lose,
            _ => Deed::Pass,
        };
        let which = self.which(words)?;
        self.world.net.links.lock().rules.push((which, deed));
        NOTHING
    }

    /// `release 1 vote to b`: as many as there are without a number; the newest first if `reverse`; `copy` keeps them.
    pub(super) fn release(&mut self, words: &mut Words<'_>) -> Said {
        let wanted = words.number();
        let (reverse, copy) = (words.take("reverse"), words.take("copy"));
        let which = self.which(words)?;
        let count = wanted.map_or(usize::MAX, |count| count as usize);
        let taken = self.take_held(&which, count, reverse);
        if taken.len() < wanted.unwrap_or(1) as usize {
            return Err(format!("{} such messages are held", taken.len()));
        }
        taken.iter().for_each(HeldMessage::deliver);
        if copy {
            self.world.net.held.lock().extend(taken);
        }
        NOTHING
    }

    /// `discard vote to b`: they are lost.
    pub(super) fn discard(&mut self, words: &mut Words<'_>) -> Said {
        let which = self.which(words)?;
        self.take_held(&which, usize::MAX, false);
        NOTHING
    }

    fn take_held(&self, which: &Which, count: usize, reverse: bool) -> Vec<HeldMessage> {
        let mut held = self.world.net.held.lock();
        let places = (0..held.len()).filter(|&place| which.names(&held[place].travel));
        let mut places: Vec<usize> = places.collect();
        if reverse {
            places.reverse();
        }
        places.truncate(count);
        let mut all: Vec<Option<_>> = held.drain(..).map(Some).collect();
        let taken = places.into_iter().filter_map(|place| all[place].take()).collect();
        held.extend(all.into_iter().flatten());
        taken
    }

    /// How many such messages are held.
    pub(super) fn count_held(&self, which: &Which) -> usize {
        let held = self.world.net.held.lock();
        held.iter().filter(|message| which.names(&message.travel)).count()
    }

    /// `held`, `held vote`: a line for each.
    pub(super) fn held(&mut self, words: &mut Words<'_>) -> Said {
        let which = self.which(words)?;
        let held = self.world.net.held.lock();
        let named = held.iter().filter(|message| which.names(&message.travel));
        let lines: Vec<String> = named.map(|message| self.tell(message)).collect();
        Ok(if lines.is_empty() { "nothing is held".to_owned() } else { lines.join("\n") })
    }

    fn tell(&self, message: &HeldMessage) -> String {
        let Travel { from, to, kind, term, index } = message.travel;
        let kind =
            Kind::NAMES.iter().find(|(known, _)| *known == kind).map_or("?", |(_, name)| name);
        let (from, to) = (self.name_of(from), self.name_of(to));
        let says = if message.says.is_empty() { "" } else { ": " };
        format!("{kind} from {from} to {to} term {term} index {index}{says}{}", message.says)
    }

    /// `until-held 2 vote from a`.
    pub(super) fn until_held(&mut self, words: &mut Words<'_>) -> Said {
        let count = words.number().unwrap_or(1) as usize;
        let which = self.which(words)?;
        if self.wait(super::waits::PATIENCE, |scene| scene.count_held(&which) >= count) {
            return NOTHING;
        }
        Err(format!("{} such messages are held, not {count}", self.count_held(&which)))
    }
}
