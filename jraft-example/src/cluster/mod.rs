//! A cluster of server processes on this machine, and what can be done to it.

pub mod demo;
mod distribution;
mod folder;
pub mod kill_loop;
mod ports;
mod process;
mod screen;
mod stage;
mod text;
mod verify;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jraft_core::{Configuration, Endpoint, GroupId, PeerId, Role, Runtime};

use crate::client::{CounterClient, Route, Transport};
use crate::counter::Stats;
use crate::settings::Settings;

pub use folder::DataFolder;
pub use ports::free_ports;
pub use process::{Program, Server};
pub use screen::{Live, NodeView, Plain, Screen, View};
pub use verify::{Verdict, verify};

/// How a cluster is made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How its servers are started.
    pub program: Program,
    /// Where their data go; without, into a folder that is removed at the end.
    pub data: Option<PathBuf>,
    /// The options of the nodes.
    pub settings: Settings,
}

/// Three servers.
pub struct Cluster {
    group: GroupId,
    conf: Configuration,
    servers: Vec<Server>,
    /// What each server said of itself last, and how many syncs its earlier processes made.
    seen: Vec<(Option<Stats>, u64)>,
    transport: Arc<dyn Transport>,
    folder: DataFolder,
}

/// How many servers a cluster has.
pub const SERVERS: usize = 3;

impl Cluster {
    /// A cluster of which nothing runs yet. Its clients use `runtime`.
    pub fn new(setup: &Setup, runtime: &Runtime) -> io::Result<Self> {
        let folder = DataFolder::open(setup.data.as_deref())?;
        let group: GroupId = "counter".parse().map_err(io::Error::other)?;
        let peers: Vec<PeerId> = free_ports(SERVERS)?
            .into_iter()
            .map(|port| PeerId::from(Endpoint::new("127.0.0.1", port.into())))
            .collect();
        let conf = Configuration::new(peers.clone(), Vec::new());
        let mut servers = Vec::with_capacity(SERVERS);
        for (number, peer) in peers.into_iter().enumerate() {
            let mut arguments = vec![group.to_string(), peer.to_string(), conf.to_string()];
            arguments.extend(setup.settings.to_arguments());
            let path = folder.path().join(format!("node{}", number + 1));
            servers.push(Server::new(peer, path, setup.program.clone(), arguments));
        }
        let seen = vec![(None, 0); SERVERS];
        let transport = Arc::new(runtime.user_client());
        Ok(Self { group, conf, servers, seen, transport, folder })
    }

    /// The folder of its data.
    pub const fn folder(&mut self) -> &mut DataFolder {
        &mut self.folder
    }

    /// The members.
    pub fn members(&self) -> Vec<Endpoint> {
        self.servers.iter().map(|server| server.peer().endpoint().clone()).collect()
    }

    /// Server `at`, counted from 0.
    pub fn server(&mut self, at: usize) -> &mut Server {
        &mut self.servers[at]
    }

    /// Starts all servers that do not run.
    pub async fn start(&mut self) -> io::Result<()> {
        for server in &mut self.servers {
            if !server.is_running() {
                server.start().await?;
            }
        }
        Ok(())
    }

    /// Ends all servers in good order.
    pub async fn stop(&mut self) -> io::Result<()> {
        // One after the other: then no two of them are surprised by each other's end, and the log shows which.
        for server in &mut self.servers {
            server.stop().await?;
        }
        Ok(())
    }

    /// SIGKILL for server `at`.
    pub async fn kill(&mut self, at: usize) -> io::Result<()> {
        self.servers[at].kill().await?;
        let (stats, earlier) = &mut self.seen[at];
        *earlier += stats.take().map_or(0, |stats| stats.fsyncs);
        Ok(())
    }

    /// A client that repeats each request for at most `limit`.
    pub fn client(&self, limit: Duration) -> CounterClient {
        let route = Route::among(&self.conf).expect("a cluster has members");
        CounterClient::new(Arc::clone(&self.transport), self.group.clone(), route, limit)
    }

    /// Asks all servers that run how they are.
    pub async fn look(&mut self) -> Vec<Option<Stats>> {
        let client = self.client(LOOK_LIMIT);
        for (server, (seen, _)) in self.servers.iter().zip(&mut self.seen) {
            *seen = match server.is_running() {
                true => client.stats(server.peer().endpoint()).await.ok().or_else(|| seen.take()),
                false => None,
            };
        }
        self.seen.iter().map(|(stats, _)| stats.clone()).collect()
    }

    /// How many syncs all servers have made, killed ones included as far as they were seen.
    pub fn fsyncs(&self) -> u64 {
        self.seen
            .iter()
            .map(|(stats, earlier)| earlier + stats.as_ref().map_or(0, |stats| stats.fsyncs))
            .sum()
    }

    /// The members as a screen shows them.
    pub fn views(&self) -> Vec<NodeView> {
        (self.servers.iter().zip(&self.seen))
            .map(|(server, (stats, _))| NodeView {
                peer: server.peer().to_string(),
                running: server.is_running(),
                stats: stats.clone(),
            })
            .collect()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({} of {})", self.conf, self.group)
    }
}

/// The place of the leader in a list of states: it says so itself, in the newest term that anybody knows.
pub fn leader_of(states: &[Option<Stats>]) -> Option<usize> {
    let newest = states.iter().flatten().map(|stats| stats.term).max()?;
    let leading = Role::Leader.to_string();
    states.iter().position(|stats| {
        stats.as_ref().is_some_and(|stats| stats.term == newest && stats.role == leading)
    })
}

const LOOK_LIMIT: Duration = Duration::from_millis(500);
