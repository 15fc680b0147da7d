//! Commands that look at nodes, and print what they see.

use jraft_core::{LogIndex, NodeStatus};

use super::stage::{Mark, Said, Scene};
use super::words::{Words, kinds};

const NOTHING: Said = Ok(String::new());

/// What `status` tells, unless it is asked for less.
const COLUMNS: [&str; 6] = ["role", "term", "leader", "last", "committed", "applied"];

impl Scene {
    /// `name L as old`.
    pub(super) fn give_name(&mut self, words: &mut Words<'_>) -> Said {
        let node = self.one(words)?;
        words.expect("as")?;
        self.call(node, words.word()?);
        NOTHING
    }

    /// `pick 2 up as X Y`: any of those that are `up`, or `down`, or of all.
    pub(super) fn pick(&mut self, words: &mut Words<'_>) -> Said {
        let count: usize = words.value()?;
        let state = words.word_if(|word| word == "up" || word == "down");
        words.expect("as")?;
        let fits = |&node: &usize| match state {
            Some("up") => self.world.hub.life(node).is_some(),
            Some(_) => self.world.hub.life(node).is_none(),
            None => true,
        };
        let mut nodes: Vec<usize> = (0..self.count()).filter(fits).collect();
        if nodes.len() < count {
            return Err(format!("there are {} such nodes", nodes.len()));
        }
        for _ in 0..count {
            let node = nodes.remove(self.dice.place(nodes.len()));
            self.call(node, words.word()?);
        }
        NOTHING
    }

    /// `status`, `status a b`, `status a role term`.
    pub(super) fn status(&mut self, words: &mut Words<'_>) -> Said {
        let is_column = |word: &str| COLUMNS.contains(&word);
        let nodes = self.some_named(words)?;
        let mut columns = Vec::new();
        while let Some(column) = words.word_if(is_column) {
            columns.push(column);
        }
        if columns.is_empty() {
            columns = COLUMNS.to_vec();
        }
        let line = |(node, name): &(usize, String)| {
            let Some(handle) = self.node(*node) else { return format!("{name} down") };
            let status = handle.status();
            let parts = columns.iter().map(|column| self.column(column, &status));
            format!("{name} {}", parts.collect::<Vec<_>>().join(" "))
        };
        Ok(nodes.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    fn column(&self, column: &str, status: &NodeStatus) -> String {
        match column {
            "role" => status.role.to_string(),
            "term" => format!("term {}", status.term),
            "leader" => {
                let leader = status.leader.as_ref();
                let place = self.world.peers().iter().position(|peer| Some(peer) == leader);
                match place {
                    Some(node) => format!("of {}", self.name_of(node)),
                    None => "of nobody".to_owned(),
                }
            }
            "last" => format!("last {}@{}", status.last_log.index, status.last_log.term),
            "committed" => format!("committed {}", status.committed),
            _ => format!("applied {}", status.applied),
        }
    }

    /// `log a b`: the terms of the entries.
    pub(super) fn log(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some_named(words)?;
        let line = |(node, name): &(usize, String)| {
            let Some(handle) = self.node(*node) else { return format!("{name} down") };
            let terms = handle.inspect(|inside| {
                let indexes = inside.first_log().0..=inside.last_log().index.0;
                indexes.filter_map(|index| inside.term_of(LogIndex(index))).collect::<Vec<_>>()
            });
            format!("{name}: {}", in_short(terms.into_iter().map(|term| term.0)))
        };
        Ok(nodes.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// `durable a b`: term, vote, and the terms of the entries that no power loss can take.
    pub(super) fn durable(&mut self, words: &mut Words<'_>) -> Said {
        let nodes = self.some_named(words)?;
        let line = |(node, name): &(usize, String)| {
            let mut record = self.world.nodes[*node].record.lock();
            let meta = record.durable_meta();
            let vote = meta
                .voted_for
                .and_then(|peer| self.world.peers().iter().position(|known| *known == peer));
            let vote = vote.map_or_else(|| "nobody".to_owned(), |node| self.name_of(node));
            let log = in_short(record.durable_log().iter().map(|mark| mark.id.term.0));
            format!("{name}: term {} vote for {vote}, log {log}", meta.term)
        };
        Ok(nodes.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    fn term_of(&self, node: usize) -> Option<u64> {
        Some(self.node(node)?.status().term.0)
    }

    /// Whether all nodes that are up have one term.
    pub(super) fn terms(&mut self) -> Said {
        let up = (0..self.count()).filter_map(|node| Some((node, self.term_of(node)?)));
        let up: Vec<_> = up.collect();
        if up.iter().all(|(_, term)| *term == up[0].1) {
            return Ok("one term".to_owned());
        }
        let line = |&(node, term): &(usize, u64)| format!("{} term {term}", self.name_of(node));
        Ok(up.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// What is measured is measured from here on.
    pub(super) fn set_mark(&mut self) -> Said {
        let term = (0..self.count()).filter_map(|node| self.term_of(node)).max();
        let traffic = self.world.net.links.lock().traffic;
        self.mark = Mark { term: term.unwrap_or_default(), traffic };
        NOTHING
    }

    /// Whether the newest term is newer than at the mark.
    pub(super) fn risen(&mut self) -> Said {
        let term = (0..self.count()).filter_map(|node| self.term_of(node)).max();
        let rises = term > Some(self.mark.term);
        Ok(if rises { "the term rose" } else { "the term stays" }.to_owned())
    }

    /// `requests at-most 30`, `requests prevote,vote at-most 4`: since the mark.
    pub(super) fn requests(&mut self, words: &mut Words<'_>) -> Said {
        let (now, then) = (self.world.net.links.lock().traffic, self.mark.traffic);
        let named = words.word_if(|word| word != "at-most").map(kinds).transpose()?;
        let counts = (0..now.requests.len()).filter(|&kind| {
            named.as_ref().is_none_or(|named| named.iter().any(|&one| one as usize == kind))
        });
        let count = counts.map(|kind| now.requests[kind] - then.requests[kind]).sum();
        at_most(words, count, "requests")
    }

    /// `bytes at-most 50000`: of entries in requests, since the mark.
    pub(super) fn bytes(&mut self, words: &mut Words<'_>) -> Said {
        let now = self.world.net.links.lock().traffic.entry_bytes;
        at_most(words, now - self.mark.traffic.entry_bytes, "bytes")
    }
}

/// What is printed must not depend on chance: the bound, unless it is exceeded.
fn at_most(words: &mut Words<'_>, count: u64, what: &str) -> Said {
    words.expect("at-most")?;
    let most: u64 = words.value()?;
    Ok(if count <= most { format!("at most {most} {what}") } else { format!("{count} {what}") })
}

/// `1 1 2`, and `1x50` for many of a kind.
fn in_short(terms: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for term in terms {
        match runs.last_mut().filter(|(last, _)| *last == term) {
            Some((_, count)) => *count += 1,
            None => runs.push((term, 1)),
        }
    }
    let run = |(term, count): (u64, usize)| match count {
        0..=4 => vec![term.to_string(); count].join(" "),
        _ => format!("{term}x{count}"),
    };
    match runs.is_empty() {
        true => "empty".to_owned(),
        false => runs.into_iter().map(run).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logs_are_told_in_short() {
        let tell = |terms: &[u64]| in_short(terms.iter().copied());
        assert_eq!(tell(&[]), "empty");
        assert_eq!(tell(&[1, 1, 2]), "1 1 2");
        assert_eq!(tell(&[1, 3, 3, 3, 3, 3, 4]), "1 3x5 4");
    }
}
