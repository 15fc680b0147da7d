//! The stage: the world that a script plays in, the names that it gives, and which command is carried out where.

use std::sync::Arc;
use std::time::Duration;

use jraft_core::{Node, Role};

use super::words::Words;
use crate::sim::dice::Dice;
use crate::sim::mutants;
use crate::sim::net::links::Traffic;
use crate::sim::plan::{Load, Plan};
use crate::sim::run::Hooks;
use crate::sim::world::World;

/// What a command prints; an error ends the script.
pub(super) type Said = Result<String, String>;

/// Where scripts are played. Empty until `group` builds a world.
pub(super) struct Stage {
    mutant: Option<String>,
    with_timeline: bool,
    scene: Option<Scene>,
}

/// A world and what the script remembers of it.
pub(super) struct Scene {
    // Before the world: what it leaves to drop must find the hooks gone.
    _hooks: Hooks,
    pub(super) world: Arc<World>,
    pub(super) voters: usize,
    /// Names that the script gave, the newest last.
    names: Vec<(String, usize)>,
    pub(super) dice: Dice,
    pub(super) mark: Mark,
    /// Proposals whose end was not told yet.
    pub(super) open: Vec<u64>,
}

/// How things stood when the script said `mark`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) term: u64,
    pub(super) traffic: Traffic,
}

impl Stage {
    pub(super) fn new(mutant: Option<&str>, with_timeline: bool) -> Self {
        Self { mutant: mutant.map(str::to_owned), with_timeline, scene: None }
    }

    /// The last lines of the timeline.
    pub(super) fn timeline(&self, lines: usize) -> String {
        self.scene.as_ref().map_or_else(String::new, |scene| scene.world.watch.timeline.show(lines))
    }

    /// Carries out one command: what it prints.
    pub(super) fn carry_out(&mut self, line: &str) -> Said {
        let mut words = Words::new(line);
        let name = words.word()?;
        if name == "group" {
            return self.group(&mut words);
        }
        let Some(scene) = &mut self.scene else {
            return Err("a script begins with a group".to_owned());
        };
        let said = scene.command(name, &mut words);
        // Whatever else is wrong comes from that.
        Hooks::hear(&scene.world);
        if let Some(broken) = scene.world.hub.broken() {
            return Err(broken);
        }
        let said = said?;
        words.end().map(|()| said)
    }

    /// `group 5 learners 1 seed 7 down wire election_timeout_ms=500`.
    fn group(&mut self, words: &mut Words<'_>) -> Said {
        if self.scene.is_some() {
            return Err("there is a group already".to_owned());
        }
        let load = Load { clients: 0, ..Plan::default().load };
        let (nodes, mutant) = (words.value()?, self.mutant.clone());
        let mut plan = Plan { seed: 1, nodes, load, mutant, ..Plan::default() };
        let mut boots = true;
        while let Ok(word) = words.word() {
            match (word, word.split_once('=')) {
                ("learners", _) => plan.learners = words.value()?,
                ("seed", _) => plan.seed = words.value()?,
                ("wire", _) => plan.wire = true,
                ("down", _) => boots = false,
                (_, Some((name, value))) => plan.options.push((name.to_owned(), value.to_owned())),
                _ => return Err(format!("{word:?} says nothing of a group")),
            }
        }
        plan.check()?;
        if let Some(name) = &plan.mutant {
            mutants::named(name).ok_or_else(|| format!("no mutant {name}"))?;
        }
        let world = World::new(&plan, self.with_timeline)?;
        let hooks = Hooks::set(&world, &plan)?;
        let scene = self.scene.insert(Scene {
            _hooks: hooks,
            voters: plan.nodes - plan.learners,
            names: Vec::new(),
            dice: Dice::new(plan.seed, "script"),
            mark: Mark::default(),
            open: Vec::new(),
            world,
        });
        if boots {
            scene.start(&(0..plan.nodes).collect::<Vec<_>>());
        }
        Ok(String::new())
    }
}

impl Scene {
    fn command(&mut self, name: &str, words: &mut Words<'_>) -> Said {
        match name {
            "crash" => self.crash(words),
            "crash-at" => self.crash_at(words),
            "crash-at-op" => self.crash_at_op(words),
            "boot" => self.boot(words),
            "stop" => self.stop(words),
            "pause" => self.pause(words),
            "fail-sync" => self.fail_sync(words),
            "fail-write" => self.fail_write(words),
            "disk" => self.disk(words),
            "slow-task" => self.slow_task(words),
            "net" => self.net(words),
            "cut" => self.cut(words, true),
            "cut-one-way" => self.cut(words, false),
            "isolate" => self.isolate(words),
            "heal" => self.heal(),
            "hold" | "lose" | "pass" => self.rule(name, words),
            "release" => self.release(words),
            "discard" => self.discard(words),
            "held" => self.held(words),
            "run" => self.run(words),
            "until" => self.until(words),
            "until-held" => self.until_held(words),
            "until-even" => self.until_even(words),
            "elect" => self.elect(words),
            "leader" => self.find_leader(words),
            "no-leader" => self.no_leader(words),
            "name" => self.give_name(words),
            "pick" => self.pick(words),
            "status" => self.status(words),
            "log" => self.log(words),
            "durable" => self.durable(words),
            "terms" => self.terms(),
            "mark" => self.set_mark(),
            "risen" => self.risen(),
            "requests" => self.requests(words),
            "bytes" => self.bytes(words),
            "propose" => self.propose(words),
            "ends" => self.ends(words),
            "load" => self.load(words),
            "finish" => self.finish(),
            other => Err(format!("{other:?} is no command")),
        }
    }

    // Nodes and their names.

    pub(super) fn count(&self) -> usize {
        self.world.nodes.len()
    }

    /// The handle of a node that is up.
    pub(super) fn node(&self, node: usize) -> Option<Node> {
        self.world.watch.node(node)
    }

    /// The node of this name.
    fn named(&self, name: &str) -> Option<usize> {
        let given = self.names.iter().rev().find(|(known, _)| known == name);
        let letter = || {
            let of = |peer: &jraft_core::PeerId| peer.to_string().split(':').next() == Some(name);
            self.world.peers().iter().position(of)
        };
        given.map(|&(_, node)| node).or_else(letter)
    }

    /// How the script calls a node: by the newest name that it gave.
    pub(super) fn name_of(&self, node: usize) -> String {
        let given = self.names.iter().rev().find(|(_, known)| *known == node);
        let letter = || {
            let peer = self.world.peers()[node].to_string();
            peer.split(':').next().unwrap_or_default().to_owned()
        };
        given.map_or_else(letter, |(name, _)| name.clone())
    }

    /// From now on the node is called so, too.
    pub(super) fn call(&mut self, node: usize, name: &str) {
        self.names.retain(|(known, _)| known != name);
        self.names.push((name.to_owned(), node));
    }

    /// The next word names a node.
    pub(super) fn one(&self, words: &mut Words<'_>) -> Result<usize, String> {
        let word = words.word()?;
        self.named(word).ok_or_else(|| format!("{word:?} is no node"))
    }

    /// The next words name nodes, or `all` of them.
    pub(super) fn some(&self, words: &mut Words<'_>) -> Result<Vec<usize>, String> {
        if words.take("all") {
            return Ok((0..self.count()).collect());
        }
        let mut nodes = vec![self.one(words)?];
        while let Some(word) = words.word_if(|word| self.named(word).is_some()) {
            nodes.extend(self.named(word));
        }
        Ok(nodes)
    }

    /// The same, with the names that the command gives them.
    pub(super) fn some_named(&self, words: &mut Words<'_>) -> Result<Vec<(usize, String)>, String> {
        if words.peek().is_none_or(|word| self.named(word).is_none()) {
            words.take("all");
            return Ok((0..self.count()).map(|node| (node, self.name_of(node))).collect());
        }
        let mut nodes = Vec::new();
        while let Some(word) = words.word_if(|word| self.named(word).is_some()) {
            nodes.extend(self.named(word).map(|node| (node, word.to_owned())));
        }
        Ok(nodes)
    }

    // Time.

    /// Lets time pass, until something is so: whether it is.
    pub(super) fn wait(&self, time: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.world.hub.now() + time.as_nanos() as u64;
        loop {
            if done(self) {
                return true;
            }
            if self.world.hub.now() >= until || self.world.hub.broken().is_some() {
                return false;
            }
            self.world.step(until);
        }
    }

    /// The node that a majority follows in its own term.
    pub(super) fn leader(&self) -> Option<usize> {
        let known = (0..self.count()).map(|node| self.node(node).map(|node| node.status()));
        let known: Vec<_> = known.collect();
        (0..self.voters).find(|&node| {
            let Some(status) = &known[node] else { return false };
            let peer = &self.world.peers()[node];
            let follows = |other: &&_| {
                let other: &jraft_core::NodeStatus = other;
                other.term == status.term && other.leader.as_ref() == Some(peer)
            };
            let followers = known[..self.voters].iter().flatten().filter(follows).count();
            status.role == Role::Leader && followers > self.voters / 2
        })
    }
}
