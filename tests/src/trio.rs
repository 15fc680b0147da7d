//! Three nodes of one group in this process, with files and over TCP, each on threads of its own.

use std::time::Duration;

use jraft_core::{
    ApplyError, Entries, Node, NodeStatus, ProposeError, RaftGroupService, Runtime, StartError,
    StateMachine, block_on,
};

use crate::programs::free_addresses;
use crate::{until, wait};

/// The state: a sum, and how many numbers are in it.
#[derive(Default)]
struct Sum {
    sum: i64,
    count: u64,
}

impl StateMachine for Sum {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            self.sum += i64::from_be_bytes(entry.data()[..].try_into()?);
            self.count += 1;
            entry.reply((self.sum, self.count));
        }
        Ok(())
    }
}

/// Starts a node with its folder.
pub fn start(
    group: &str,
    me: &str,
    peers: &str,
    data: &std::path::Path,
    election_timeout_ms: u64,
) -> Result<RaftGroupService, StartError> {
    // A runtime each: a node must not find the others in the registry of its process.
    let runtime =
        Runtime::builder().logger(slog::Logger::root(slog::Discard, slog::o!())).build()?;
    let builder =
        RaftGroupService::builder(group, me).initial_conf(peers).data_dir(data).runtime(&runtime);
    let builder = builder.configure(|options| options.election_timeout_ms = election_timeout_ms);
    block_on(builder.start(Sum::default()))
}

/// The group.
pub struct Trio {
    services: Vec<RaftGroupService>,
    addresses: [String; 3],
    group: &'static str,
    added: (i64, u64),
    _folder: tempfile::TempDir,
}

impl Trio {
    /// Starts it, and waits for a leader.
    pub fn start(group: &'static str) -> Self {
        let (folder, addresses) = (tempfile::tempdir().unwrap(), free_addresses());
        let peers = addresses.join(",");
        let one = |(at, me): (usize, &String)| {
            start(group, me, &peers, &folder.path().join(at.to_string()), 2000).unwrap()
        };
        let services = addresses.iter().enumerate().map(one).collect();
        let trio = Self { services, addresses, group, added: (0, 0), _folder: folder };
        until("a leader", Duration::from_secs(60), || trio.leader().is_some());
        trio
    }

    /// The name of the group.
    pub const fn group(&self) -> &'static str {
        self.group
    }

    /// Where the node listens.
    pub fn address(&self, at: usize) -> &str {
        &self.addresses[at]
    }

    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.services.iter().map(RaftGroupService::node)
    }

    /// Which node leads, if one does.
    pub fn leader(&self) -> Option<usize> {
        self.nodes().position(Node::is_leader)
    }

    /// What all nodes say of themselves.
    pub fn status(&self) -> Vec<NodeStatus> {
        self.nodes().map(Node::status).collect()
    }

    /// Adds a number through whoever leads; the reply must count exactly what was added before.
    pub fn add(&mut self, number: i64) {
        self.added = (self.added.0 + number, self.added.1 + 1);
        for _ in 0..500 {
            let Some(leader) = self.nodes().find(|node| node.is_leader()) else {
                wait(Duration::from_millis(20));
                continue;
            };
            match block_on(leader.propose::<(i64, u64)>(number.to_be_bytes().to_vec())) {
                Ok(reply) => {
                    return assert_eq!(reply, self.added, "something was lost or applied twice");
                }
                Err(ProposeError::Refused { .. }) => wait(Duration::from_millis(20)),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nobody took a proposal");
    }

    /// All nodes have applied the same.
    pub fn agree(&self) {
        until("all have applied all", Duration::from_secs(30), || {
            let all = self.status();
            all.iter().all(|one| one.applied == one.committed && one.committed == all[0].committed)
        });
    }

    /// Ends it.
    pub fn shutdown(self) {
        for service in self.services {
            block_on(service.shutdown());
        }
    }
}
