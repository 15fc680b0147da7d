//! A world: nodes with disks and clocks on a network, and what can be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jraft_core::env::Env;
use jraft_core::rpc::RaftRpcFactory;
use jraft_core::{
    Configuration, GroupId, Node, NodeOptions, PeerId, RaftGroupService, Replier, Role, Runtime,
    SharedLogEngine, UserProcessor, UserRequest,
};
use jraft_rpc::BoltRpcFactory;
use jraft_storage::sim_disk::{Crash, SimDisk};
use parking_lot::Mutex;

use super::client::History;
use super::clock::NodeClock;
use super::dice::Key;
use super::env::env_of;
use super::faults::{Armed, FaultCount, Struck, hook};
use super::hub::{Hub, Life, Step};
use super::machine::{Machine, Table};
use super::net::bytes::ByteNet;
use super::net::links::Links;
use super::net::message::MessageNet;
use super::net::watched::Watched;
use super::plan::{Death, Plan};
use super::store::{DiskPace, SimLogEngine, SimMeta, StoreParts};
use super::timeline::Timeline;
use super::watch::Watch;
use crate::checks::facts::Facts;
use crate::checks::record::Record;
use crate::checks::{Judge, Seen};

/// A node of the world, up or down.
pub struct Machinery {
    /// Its disk; handles of it are made for every life.
    pub disk: SimDisk,
    /// What is on it.
    pub record: Arc<Mutex<Record>>,
    /// How fast it is.
    pub pace: Arc<Mutex<DiskPace>>,
    /// What is armed against it.
    pub armed: Arc<Mutex<Armed>>,
    /// What its state machine shows.
    pub table: Arc<Mutex<Table>>,
    service: Mutex<Option<RaftGroupService>>,
    /// Why it could not start.
    pub(super) refused: Mutex<Option<String>>,
    pub(super) damaged: Mutex<bool>,
}

/// See the [module](self).
pub struct World {
    /// Time and tasks.
    pub hub: Arc<Hub>,
    /// Who watches.
    pub watch: Arc<Watch>,
    /// The network of messages, and its links.
    pub net: Arc<MessageNet>,
    /// The network of bytes, over the same links.
    bytes: Arc<ByteNet>,
    /// The nodes.
    pub nodes: Vec<Machinery>,
    /// What clients did.
    pub history: Arc<History>,
    /// What was done to the nodes.
    pub faults: Mutex<FaultCount>,
    /// Processes that did not end in good order.
    pub crashed: Mutex<BTreeSet<Life>>,
    /// The points that were passed, and how often.
    pub passed: Mutex<BTreeMap<&'static str, u64>>,
    plan: Plan,
    options: NodeOptions,
    peers: Vec<PeerId>,
    /// Services of dead processes, to be dropped outside of their own code.
    graves: Mutex<Vec<RaftGroupService>>,
    dead: Mutex<bool>,
}

/// Answers no request of an application: there are none.
struct Nothing;

impl UserProcessor for Nothing {
    fn request_name(&self) -> &str {
        "nothing"
    }

    fn handle(&self, _: UserRequest, _: Replier) {}
}

/// The names of the nodes.
const NAMES: [&str; 7] = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1"];

/// The group.
const GROUP: &str = "sim";

/// The options of a plan's nodes.
///
/// # Errors
/// What is wrong with which option.
pub fn options_of(plan: &Plan) -> Result<NodeOptions, String> {
    let mut options = NodeOptions::default();
    for (name, value) in &plan.options {
        options.set(name, value).map_err(|error| error.to_string())?;
    }
    options.validate().map_err(|error| error.to_string())?;
    Ok(options)
}

/// The disk of a node, as its hook sees it. Weakly: it is part of the world.
struct DiskOf {
    world: Weak<World>,
    node: usize,
}

impl Struck for DiskOf {
    fn dies(&self, how: Death) {
        if let Some(world) = self.world.upgrade() {
            world.crash(self.node, how);
        }
    }

    fn fails(&self, kind: &'static str) {
        if let Some(world) = self.world.upgrade() {
            world.faults.lock().count(kind);
        }
    }
}

impl World {
    /// The world of a plan, with all nodes down.
    ///
    /// # Errors
    /// An option that does not exist.
    pub fn new(plan: &Plan, with_timeline: bool) -> Result<Arc<Self>, String> {
        let options = options_of(plan)?;
        let parse = |name: &&str| name.parse::<PeerId>().map_err(|error| error.to_string());
        let peers = NAMES[..plan.nodes].iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let hub = Hub::new(plan.seed, plan.nodes, plan.policy.clone());
        let machinery = |node: usize| {
            let disk = SimDisk::new(Key::new(plan.seed, 0xd15c).with(node as u64).number());
            Machinery {
                record: Arc::new(Mutex::new(Record::new(disk.clone()))),
                disk,
                pace: Arc::new(Mutex::new(plan.disk)),
                armed: Arc::default(),
                table: Arc::default(),
                service: Mutex::new(None),
                refused: Mutex::new(None),
                damaged: Mutex::new(false),
            }
        };
        let nodes: Vec<Machinery> = (0..plan.nodes).map(machinery).collect();
        for node in 0..plan.nodes {
            let drift = plan.drifts.get(node).copied().unwrap_or(0);
            let start = Key::new(plan.seed, 0xc10c).with(node as u64).within(1, 1 << 40);
            hub.clock(Some(node), |clock, _| *clock = NodeClock::new(start, drift));
        }
        let records = nodes.iter().map(|node| Arc::clone(&node.record)).collect();
        let mut facts = Facts::new(options.clone(), peers.clone(), records);
        facts.voters -= plan.learners;
        let timeline = if with_timeline { Timeline::of(&peers) } else { Timeline::off() };
        let watch = Watch::new(Arc::clone(&hub), Judge::new(facts), timeline);
        let links = Arc::new(Mutex::new(Links::new(plan.seed, plan.nodes, plan.net)));
        let net = MessageNet::new(&hub, peers.clone(), Arc::clone(&links));
        let bytes = ByteNet::new(&hub, peers.clone(), links);
        let world = Arc::new(Self {
            hub,
            watch,
            net,
            bytes,
            nodes,
            history: Arc::default(),
            faults: Mutex::default(),
            crashed: Mutex::default(),
            passed: Mutex::default(),
            plan: plan.clone(),
            options,
            peers,
            graves: Mutex::default(),
            dead: Mutex::new(false),
        });
        world.arm();
        Ok(world)
    }

    /// Disks let nodes die through the world.
    fn arm(self: &Arc<Self>) {
        for (node, machinery) in self.nodes.iter().enumerate() {
            let struck = DiskOf { world: Arc::downgrade(self), node };
            machinery.disk.set_hook(Some(hook(Arc::clone(&machinery.armed), struck)));
        }
    }

    /// The code of a node passes a point.
    pub fn pass(&self, life: Life, name: &'static str) {
        // What a dead process goes on to do before its poll returns is not lived through.
        if !self.hub.is_alive(life) {
            return;
        }
        *self.passed.lock().entry(name).or_default() += 1;
        let death = self.nodes[life.node].armed.lock().pass(name);
        if let Some(death) = death {
            self.note(Some(life.node), || format!("passes {name:?}"));
            self.crash(life.node, death);
        }
    }

    pub(super) fn note(&self, node: Option<usize>, text: impl FnOnce() -> String) {
        self.watch.timeline.note(self.hub.now(), node, text);
    }

    /// The names of the nodes.
    pub fn peers(&self) -> &[PeerId] {
        &self.peers
    }

    /// So many of them, the first ones, vote.
    pub const fn voters(&self) -> usize {
        self.plan.nodes - self.plan.learners
    }

    /// The options of the nodes.
    pub const fn options(&self) -> &NodeOptions {
        &self.options
    }

    // One step.

    /// One step of the world, and the checks after it. False when nothing will ever happen, or something must not be.
    pub fn step(&self, limit: u64) -> bool {
        let step = self.hub.step(limit);
        if let Step::Polled(Some(life)) = step
            && self.hub.is_alive(life)
        {
            self.watch.look(life.node);
            if let Some(trouble) = self.nodes[life.node].record.lock().take_trouble() {
                self.hub.fail(format!("{trouble} (node {})", life.node));
            }
            self.judge_failure(life.node);
        }
        if std::mem::take(&mut *self.dead.lock()) {
            self.bury();
        }
        step != Step::Idle && self.hub.broken().is_none()
    }

    /// A node may fail if something of it failed, and not otherwise.
    fn judge_failure(&self, node: usize) {
        if self.watch.judge.lock().facts.nodes[node].role != Role::Error {
            return;
        }
        let machinery = &self.nodes[node];
        let has_reason = machinery.armed.lock().has_failed()
            || machinery.record.lock().failed()
            || *machinery.damaged.lock();
        if !has_reason && let Some(handle) = self.watch.node(node) {
            let why = handle.status().error.map(|error| error.to_string()).unwrap_or_default();
            self.hub.fail(format!("I-27: node {node} fails, and nothing of it had failed: {why}"));
        }
    }

    /// Runs until `until` nanoseconds, or until `done`, which is asked now and then. Whether it was done.
    pub fn run_until(
        self: &Arc<Self>,
        until: u64,
        mut done: impl FnMut(&Arc<Self>) -> bool,
    ) -> bool {
        const ASK: u64 = 5_000_000;
        let mut asked = 0;
        while self.hub.now() < until {
            if !self.step(until) {
                return false;
            }
            if self.hub.now() >= asked {
                asked = self.hub.now() + ASK;
                if done(self) {
                    return true;
                }
            }
        }
        false
    }

    /// Drops what dead processes left. Nothing of it may touch the disk (I-17).
    fn bury(&self) {
        let ghosts = || self.nodes.iter().map(|node| node.disk.ghost_ops()).sum::<u64>();
        let before = ghosts();
        let (futures, graves) = (self.hub.take_dead(), std::mem::take(&mut *self.graves.lock()));
        drop((futures, graves));
        if ghosts() != before {
            self.hub.fail("I-17: a destructor of a dead process wrote to its disk");
        }
    }

    /// Takes the world apart: its parts hold each other, and would stay in memory for ever.
    pub fn end(&self) {
        for node in 0..self.nodes.len() {
            self.hub.stop(node);
            self.watch.node_is_gone(node);
            let service = self.nodes[node].service.lock().take();
            self.nodes[node].disk.set_hook(None);
            drop(service);
        }
        drop(std::mem::take(&mut *self.graves.lock()));
        self.net.held.lock().clear();
        // What is dropped may leave something behind in turn.
        while !matches!(self.hub.take_rest(), (tasks, 0) if tasks.is_empty()) {}
    }

    // Lives.

    /// Starts a node that is down. One that has failed is shut down before, as its supervisor would: its closures end, too.
    pub fn boot(self: &Arc<Self>, node: usize) {
        if let Some(handle) = self.watch.node(node) {
            if handle.status().role == Role::Error {
                let world = Arc::clone(self);
                // Not at once: what the old process left is buried first.
                let again = move || world.hub.clone().after(1_000_000, move || world.boot(node));
                self.stop_and(node, again);
            }
            return;
        }
        if self.hub.life(node).is_some() {
            return;
        }
        let life = self.hub.start(node);
        self.nodes[node].armed.lock().restarted();
        self.note(Some(node), || format!("starts, life {}", life.epoch));
        self.watch.see(&Seen::Started { node, epoch: life.epoch });
        let world = Arc::clone(self);
        let task = async move { world.start(life).await };
        self.hub.spawn(Some(life), "boot", Box::pin(task));
    }

    async fn start(self: Arc<Self>, life: Life) {
        let machinery = &self.nodes[life.node];
        let log = self.watch.timeline.logger(&self.hub, life.node);
        let env = env_of(&self.hub, life, log);
        let transport = self.transport(life, &env);
        let Ok(runtime) = Runtime::builder().env(env).build() else { return };
        let parts = StoreParts {
            hub: Arc::clone(&self.hub),
            watch: Arc::clone(&self.watch),
            life,
            disk: machinery.disk.boot(),
            record: Arc::clone(&machinery.record),
            pace: Arc::clone(&machinery.pace),
            segment_bytes: self.plan.segment,
        };
        let Ok(group) = GROUP.parse::<GroupId>() else { return };
        let meta = SimMeta::new(parts.clone(), &group);
        let (voters, learners) = self.peers.split_at(self.voters());
        let conf = Configuration::new(voters.to_vec(), learners.to_vec());
        let machine = Machine::new(Arc::clone(&self.watch), life, Arc::clone(&machinery.table));
        let builder = RaftGroupService::builder(group, self.peers[life.node].clone())
            .initial_conf(conf)
            .options(self.options.clone())
            .runtime(&runtime)
            .rpc(transport)
            .log_engine(&SharedLogEngine::new(SimLogEngine::new(parts)))
            .meta_storage(meta);
        let watch = Arc::clone(&self.watch);
        // Known before it starts: a group of one leads, and commits, in its first moment.
        let builder = builder.user_processor(move |node: &Node| {
            watch.node_is(life, node.clone());
            Nothing
        });
        let started = builder.start(machine).await;
        if !self.hub.is_alive(life) {
            return;
        }
        match started {
            Ok(service) => {
                // Whole after all, or it would not have found what it had (I-15).
                *machinery.damaged.lock() = false;
                *machinery.refused.lock() = None;
                *machinery.service.lock() = Some(service);
            }
            Err(error) => self.refused(life, &error.to_string()),
        }
    }

    /// A damaged disk must be refused; any other must not.
    fn refused(&self, life: Life, why: &str) {
        self.note(Some(life.node), || format!("cannot start: {why}"));
        let machinery = &self.nodes[life.node];
        let damaged = *machinery.damaged.lock();
        if damaged {
            self.faults.lock().count("start refused");
            *machinery.refused.lock() = Some(why.to_owned());
        } else if !machinery.armed.lock().has_failed() {
            self.hub.fail(format!("I-15: node {} cannot start: {why}", life.node));
        }
        self.crash(life.node, Death::Kill);
    }

    fn transport(&self, life: Life, env: &Env) -> Arc<dyn RaftRpcFactory> {
        let inner = if self.plan.wire {
            let options = self.options.rpc.clone();
            Arc::new(BoltRpcFactory::new(env.clone(), self.bytes.of(life), options))
        } else {
            self.net.factory(life)
        };
        Arc::new(Watched { inner, watch: Arc::clone(&self.watch), life })
    }

    /// The process of a node ends at once. Perhaps in the middle of its own code, which goes on but reaches nothing.
    pub fn crash(&self, node: usize, death: Death) {
        let Some(life) = self.hub.life(node) else { return };
        self.note(Some(node), || format!("dies: {death}"));
        self.crashed.lock().insert(life);
        if death != Death::Kill {
            self.bytes.unplug(life);
        }
        self.end_life(node, death);
        self.faults.lock().count(match death {
            Death::Kill => "kill",
            Death::Power => "power loss",
            Death::Tear(_) => "torn power loss",
        });
    }

    fn end_life(&self, node: usize, death: Death) {
        self.hub.stop(node);
        let machinery = &self.nodes[node];
        let how = match death {
            Death::Kill => Crash::Kill,
            Death::Power => Crash::Lose,
            Death::Tear(seed) => Crash::Tear(seed),
        };
        let disk = machinery.disk.crash(how);
        machinery.record.lock().died(disk);
        self.watch.see(&Seen::Died { node });
        self.watch.node_is_gone(node);
        self.graves.lock().extend(machinery.service.lock().take());
        *self.dead.lock() = true;
    }

    /// A node shuts down in good order.
    pub fn stop(self: &Arc<Self>, node: usize) {
        self.stop_and(node, || ());
    }

    /// It shuts down in good order; `then` follows, if it lived so long.
    fn stop_and(self: &Arc<Self>, node: usize, then: impl FnOnce() + Send + 'static) {
        let Some(life) = self.hub.life(node) else { return };
        let Some(service) = self.nodes[node].service.lock().take() else { return };
        self.note(Some(node), || "shuts down".to_owned());
        self.faults.lock().count("shutdown");
        let world = Arc::clone(self);
        let task = async move {
            service.shutdown().await;
            if world.hub.is_alive(life) {
                world.end_life(life.node, Death::Kill);
                then();
            }
        };
        self.hub.spawn(Some(life), "shutdown", Box::pin(task));
    }

    /// Whether a node could not start, since its disk is damaged.
    pub fn is_refused(&self, node: usize) -> bool {
        self.nodes[node].refused.lock().is_some()
    }

    /// An election timeout at its longest.
    pub fn election_timeout(&self) -> Duration {
        let raft = &self.options.raft;
        Duration::from_millis(self.options.election_timeout_ms + raft.max_election_delay_ms)
    }
}
