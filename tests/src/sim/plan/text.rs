//! A plan as text: one line a setting or an event, and back.

use std::fmt;
use std::str::FromStr;

use super::{Action, Death, Event, Load, Plan};
use crate::sim::net::links::NetPace;
use crate::sim::policy::Policy;
use crate::sim::store::DiskPace;

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::Power => f.write_str("power"),
            Self::Tear(seed) => write!(f, "tear:{seed}"),
        }
    }
}

impl FromStr for Death {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "kill" => Ok(Self::Kill),
            None if text == "power" => Ok(Self::Power),
            Some(("tear", seed)) => seed.parse().map(Self::Tear).map_err(|e| e.to_string()),
            _ => Err(format!("{text:?} is no death: kill, power, tear:<number>")),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(node, death) => write!(f, "crash {node} {death}"),
            Self::CrashAt(node, death, nth, point) => {
                write!(f, "crash-at {node} {death} {nth} {point}")
            }
            Self::CrashAtOp(node, death, nth) => write!(f, "crash-at-op {node} {death} {nth}"),
            Self::Boot(node) => write!(f, "boot {node}"),
            Self::Stop(node) => write!(f, "stop {node}"),
            Self::Pause(node, micros) => write!(f, "pause {node} {micros}"),
            Self::Cut(from, to) => write!(f, "cut {from} {to}"),
            Self::Join(from, to) => write!(f, "join {from} {to}"),
            Self::Isolate(node) => write!(f, "isolate {node}"),
            Self::Split(side) => write!(f, "split {side}"),
            Self::Bridge(node) => write!(f, "bridge {node}"),
            Self::Heal => f.write_str("heal"),
            Self::FailSync(node, false) => write!(f, "fail-sync {node} keep"),
            Self::FailSync(node, true) => write!(f, "fail-sync {node} lose"),
            Self::FailWrite(node) => write!(f, "fail-write {node}"),
            Self::Room(node, bytes) => write!(f, "room {node} {bytes}"),
            Self::SlowDisk(node, micros) => write!(f, "slow-disk {node} {micros}"),
            Self::Drift(node, drift) => write!(f, "drift {node} {drift}"),
            Self::Jump(node, micros) => write!(f, "jump {node} {micros}"),
            Self::Flip(node, number) => write!(f, "flip {node} {number}"),
            Self::Blackout(death) => write!(f, "blackout {death}"),
        }
    }
}

/// The words of a line, one after the other.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "a word is missing at the end".to_owned())
    }

    fn value<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("{word:?} is no {}", std::any::type_name::<T>()))
    }

    fn range(&mut self) -> Result<(u64, u64), String> {
        let word = self.word()?;
        let wrong = || format!("{word:?} is no range like 10..20");
        let (from, to) = word.split_once("..").ok_or_else(wrong)?;
        Ok((from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?))
    }

    fn expect(&mut self, name: &str) -> Result<(), String> {
        let word = self.word()?;
        if word == name { Ok(()) } else { Err(format!("{word:?} stands where {name:?} belongs")) }
    }

    fn rest(&mut self) -> String {
        self.0.by_ref().collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words(text.split_whitespace());
        let action = match words.word()? {
            "crash" => Self::Crash(words.value()?, words.word()?.parse()?),
            "crash-at" => {
                let (node, death) = (words.value()?, words.word()?.parse()?);
                Self::CrashAt(node, death, words.value()?, words.rest())
            }
            "crash-at-op" => {
                Self::CrashAtOp(words.value()?, words.word()?.parse()?, words.value()?)
            }
            "boot" => Self::Boot(words.value()?),
            "stop" => Self::Stop(words.value()?),
            "pause" => Self::Pause(words.value()?, words.value()?),
            "cut" => Self::Cut(words.value()?, words.value()?),
            "join" => Self::Join(words.value()?, words.value()?),
            "isolate" => Self::Isolate(words.value()?),
            "split" => Self::Split(words.value()?),
            "bridge" => Self::Bridge(words.value()?),
            "heal" => Self::Heal,
            "fail-sync" => Self::FailSync(words.value()?, words.word()? == "lose"),
            "fail-write" => Self::FailWrite(words.value()?),
            "room" => Self::Room(words.value()?, words.value()?),
            "slow-disk" => Self::SlowDisk(words.value()?, words.value()?),
            "drift" => Self::Drift(words.value()?, words.value()?),
            "jump" => Self::Jump(words.value()?, words.value()?),
            "flip" => Self::Flip(words.value()?, words.value()?),
            "blackout" => Self::Blackout(words.word()?.parse()?),
            other => return Err(format!("{other:?} is no action")),
        };
        match words.rest() {
            rest if rest.is_empty() => Ok(action),
            rest => Err(format!("{rest:?} is too much")),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.story {
            writeln!(f, "# {line}")?;
        }
        writeln!(f, "seed {}\nnodes {}", self.seed, self.nodes)?;
        if self.learners > 0 {
            writeln!(f, "learners {}", self.learners)?;
        }
        if self.wire {
            writeln!(f, "wire")?;
        }
        writeln!(f, "policy {}", self.policy)?;
        let NetPace { delay, tail, loss, twice, in_order, tells } = self.net;
        let (order, tells) = (
            if in_order { "in-order" } else { "any-order" },
            if tells { "tells" } else { "silent" },
        );
        writeln!(
            f,
            "net delay {}..{} tail {}..{} loss {loss} twice {twice} {order} {tells}",
            delay.0, delay.1, tail.0, tail.1
        )?;
        let DiskPace { log, meta } = self.disk;
        writeln!(
            f,
            "disk log {}..{} meta {}..{} segment {}",
            log.0, log.1, meta.0, meta.1, self.segment
        )?;
        if !self.drifts.is_empty() {
            let drifts: Vec<String> = self.drifts.iter().map(ToString::to_string).collect();
            writeln!(f, "drifts {}", drifts.join(" "))?;
        }
        for (name, value) in &self.options {
            writeln!(f, "option {name} {value}")?;
        }
        let Load { clients, keys, think, payload, patience } = self.load;
        writeln!(
            f,
            "load clients {clients} keys {keys} think {}..{} payload {payload} patience {patience}",
            think.0, think.1
        )?;
        writeln!(f, "hurt {}", self.hurt)?;
        if self.partial {
            writeln!(f, "partial")?;
        }
        for event in &self.events {
            writeln!(f, "at {} {}", event.at, event.action)?;
        }
        for (name, value) in [("mutant", &self.mutant), ("expect", &self.expect)] {
            if let Some(value) = value {
                writeln!(f, "{name} {value}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        for (number, line) in text.lines().enumerate() {
            plan.take_line(line.trim())
                .map_err(|wrong| format!("line {} ({line:?}): {wrong}", number + 1))?;
        }
        plan.check()?;
        Ok(plan)
    }
}

impl Plan {
    fn take_line(&mut self, line: &str) -> Result<(), String> {
        if let Some(story) = line.strip_prefix('#') {
            self.story.push(story.trim().to_owned());
            return Ok(());
        }
        let mut words = Words(line.split_whitespace());
        let Ok(first) = words.word() else { return Ok(()) };
        match first {
            "seed" => self.seed = words.value()?,
            "nodes" => self.nodes = words.value()?,
            "learners" => self.learners = words.value()?,
            "wire" => self.wire = true,
            "policy" => self.policy = words.policy()?,
            "net" => self.net = words.net()?,
            "disk" => {
                words.expect("log")?;
                self.disk.log = words.range()?;
                words.expect("meta")?;
                self.disk.meta = words.range()?;
                words.expect("segment")?;
                self.segment = words.value()?;
            }
            "drifts" => {
                let drifts = words.rest();
                let drifts = drifts.split_whitespace().map(|word| word.parse::<i64>());
                self.drifts = drifts.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
            }
            "option" => self.options.push((words.value()?, words.rest())),
            "load" => self.load = words.load()?,
            "hurt" => self.hurt = words.value()?,
            "partial" => self.partial = true,
            "at" => {
                let at = words.value()?;
                self.events.push(Event { at, action: words.rest().parse()? });
            }
            "mutant" => self.mutant = Some(words.value()?),
            "expect" => self.expect = Some(words.value()?),
            other => return Err(format!("{other:?} is nothing a plan knows")),
        }
        Ok(())
    }

    /// Whether it can be carried out.
    pub(in crate::sim) fn check(&self) -> Result<(), String> {
        if !(1..=7).contains(&self.nodes) {
            return Err(format!("{} nodes: from 1 to 7 are possible", self.nodes));
        }
        if self.learners >= self.nodes {
            return Err(format!(
                "{} learners of {}: somebody must vote",
                self.learners, self.nodes
            ));
        }
        let beyond = |node: usize| node >= self.nodes;
        for Event { action, .. } in &self.events {
            if action.nodes().into_iter().any(beyond) {
                return Err(format!("{action}: the nodes are 0 to {}", self.nodes - 1));
            }
        }
        Ok(())
    }
}

impl Words<'_> {
    fn policy(&mut self) -> Result<Policy, String> {
        let micros = |words: &mut Self| -> Result<u64, String> {
            let word = words.word()?;
            let number = word.strip_suffix("us").and_then(|number| number.parse().ok());
            number.ok_or_else(|| format!("{word:?} is no time like 200us"))
        };
        Ok(match self.word()? {
            "fair" => Policy::Fair,
            "uniform" => Policy::Uniform,
            "lifo" => Policy::Lifo,
            "pct" => Policy::Pct,
            "starve-task" => {
                let micros = micros(self)?;
                Policy::StarveTask(self.rest(), micros)
            }
            "starve-node" => {
                let micros = micros(self)?;
                Policy::StarveNode(self.value()?, micros)
            }
            other => return Err(format!("{other:?} is no policy")),
        })
    }

    fn net(&mut self) -> Result<NetPace, String> {
        self.expect("delay")?;
        let delay = self.range()?;
        self.expect("tail")?;
        let tail = self.range()?;
        self.expect("loss")?;
        let loss = self.value()?;
        self.expect("twice")?;
        let twice = self.value()?;
        let in_order = self.word()? == "in-order";
        let tells = self.word()? == "tells";
        Ok(NetPace { delay, tail, loss, twice, in_order, tells })
    }

    fn load(&mut self) -> Result<Load, String> {
        self.expect("clients")?;
        let clients = self.value()?;
        self.expect("keys")?;
        let keys = self.value()?;
        self.expect("think")?;
        let think = self.range()?;
        self.expect("payload")?;
        let payload = self.value()?;
        self.expect("patience")?;
        Ok(Load { clients, keys, think, payload, patience: self.value()? })
    }
}
