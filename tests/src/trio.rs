//! Three nodes of one group in this process, with files and over TCP, each on threads of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jraft_core::{
    ApplyError, Entries, LogIndex, Node, NodeOptions, NodeStatus, ProposeError, RaftGroupService,
    Runtime, StartError, StateMachine, block_on,
};

use crate::programs::free_addresses;
use crate::{until, wait};

/// What a node has applied since it started, in order.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Vec<i64>>>);

impl History {
    /// A copy.
    pub fn numbers(&self) -> Vec<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps the numbers, and replies with how many there are.
struct Keep(History);

impl StateMachine for Keep {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            let mut numbers = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.push(i64::from_be_bytes(entry.data()[..].try_into()?));
            let count = numbers.len();
            drop(numbers);
            entry.reply(count);
        }
        Ok(())
    }
}

/// Starts a node with its folder, without a word to any log. Without peers it waits to be added.
pub fn start(
    group: &str,
    me: &str,
    peers: &str,
    data: &Path,
    options: &NodeOptions,
) -> Result<(RaftGroupService, History), StartError> {
    let log = slog::Logger::root(slog::Discard, slog::o!());
    // A runtime each: a node must not find the others in the registry of its process.
    let runtime = Runtime::builder().logger(log).build()?;
    let history = History::default();
    let builder = RaftGroupService::builder(group, me).data_dir(data).runtime(&runtime);
    let builder = builder.options(options.clone());
    let builder = if peers.is_empty() { builder } else { builder.initial_conf(peers) };
    Ok((block_on(builder.start(Keep(history.clone())))?, history))
}

/// Default options with this election timeout.
pub fn options(election_timeout_ms: u64) -> NodeOptions {
    let mut options = NodeOptions::default();
    options.election_timeout_ms = election_timeout_ms;
    options.raft.max_election_delay_ms = election_timeout_ms;
    options
}

/// A place in the group, whether or not a node runs there.
struct Member {
    address: String,
    data: PathBuf,
    running: Option<(RaftGroupService, History)>,
}

/// The group.
pub struct Trio {
    group: &'static str,
    members: Vec<Member>,
    /// Everything that was acknowledged, in order.
    added: Vec<i64>,
    _folder: tempfile::TempDir,
}

impl Trio {
    /// Three places, and nobody there yet.
    pub fn empty(group: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let member = |(at, address): (usize, String)| Member {
            address,
            data: folder.path().join(at.to_string()),
            running: None,
        };
        let members = free_addresses::<3>().into_iter().enumerate().map(member).collect();
        Self { group, members, added: Vec::new(), _folder: folder }
    }

    /// Three nodes with these options, one of which leads.
    pub fn start(group: &'static str, options: &NodeOptions) -> Self {
        let mut trio = Self::empty(group);
        (0..3).for_each(|at| trio.start_one(at, options));
        trio.await_leader();
        trio
    }

    /// Starts the node of a place.
    pub fn start_one(&mut self, at: usize, options: &NodeOptions) {
        let addresses: Vec<&str> = self.members.iter().map(|one| one.address.as_str()).collect();
        let peers = addresses.join(",");
        let member = &mut self.members[at];
        let started = start(self.group, &member.address, &peers, &member.data, options);
        member.running = Some(started.unwrap());
    }

    /// Stops the node of a place.
    pub fn stop(&mut self, at: usize) {
        let (service, _) = self.members[at].running.take().unwrap();
        block_on(service.shutdown());
    }

    /// Removes what the stopped node of a place had on its disk.
    pub fn wipe(&mut self, at: usize) {
        assert!(self.members[at].running.is_none(), "a running node needs its disk");
        fs::remove_dir_all(&self.members[at].data).unwrap();
    }

    /// The name of the group.
    pub const fn group(&self) -> &'static str {
        self.group
    }

    /// Where the node of a place listens.
    pub fn address(&self, at: usize) -> &str {
        &self.members[at].address
    }

    /// The node of a place, which must run.
    pub fn node(&self, at: usize) -> &Node {
        self.members[at].running.as_ref().unwrap().0.node()
    }

    /// Which node leads, if one does.
    pub fn leader(&self) -> Option<usize> {
        let leads = |member: &Member| {
            member.running.as_ref().is_some_and(|(service, _)| service.node().is_leader())
        };
        self.members.iter().position(leads)
    }

    /// Waits until one leads.
    pub fn await_leader(&self) -> usize {
        until("a leader", LONGEST, || self.leader().is_some());
        self.leader().unwrap()
    }

    /// What the running nodes say of themselves.
    pub fn status(&self) -> Vec<NodeStatus> {
        self.running().map(|(service, _)| service.node().status()).collect()
    }

    fn running(&self) -> impl Iterator<Item = &(RaftGroupService, History)> {
        self.members.iter().filter_map(|member| member.running.as_ref())
    }

    /// Adds a number through whoever leads; the reply must count exactly what was added before.
    pub fn add(&mut self, number: i64) {
        self.added.push(number);
        for _ in 0..1500 {
            let refused = match self.leader() {
                None => true,
                Some(leader) => match self.propose(leader, number) {
                    Ok(count) => {
                        return assert_eq!(count, self.added.len(), "something is lost, or twice");
                    }
                    Err(ProposeError::Refused { .. }) => true,
                    Err(_) => false,
                },
            };
            assert!(refused, "nobody knows whether it was added");
            wait(Duration::from_millis(20));
        }
        panic!("nobody took a proposal");
    }

    /// Proposes to the node of a place.
    pub fn propose(&self, at: usize, number: i64) -> Result<usize, ProposeError> {
        block_on(self.node(at).propose::<usize>(number.to_be_bytes().to_vec()))
    }

    /// All running nodes have applied all that was acknowledged, in its order, and nothing else.
    pub fn agree(&self) {
        until("all have applied the same", LONGEST, || {
            self.running().all(|(_, history)| history.numbers() == self.added)
        });
    }

    /// The three indexes of every running node become this.
    pub fn reach(&self, last: u64) {
        until("all indexes are equal", LONGEST, || {
            let all = self.status();
            let last = LogIndex(last);
            all.iter().all(|one| [one.last_log.index, one.committed, one.applied] == [last; 3])
        });
    }

    /// Ends it.
    pub fn shutdown(mut self) {
        for at in 0..3 {
            if self.members[at].running.is_some() {
                self.stop(at);
            }
        }
    }
}

/// How long anything may take before a test fails.
const LONGEST: Duration = Duration::from_secs(60);
