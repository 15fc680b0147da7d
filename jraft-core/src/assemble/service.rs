//! `RaftGroupService`: owns this process's membership in one group.

use std::sync::Arc;

use jraft_spi::{GroupId, ParseError, PeerId, Status};
use tokio::sync::oneshot;

use super::builder::RaftGroupBuilder;
use super::engine::SharedLogEngine;
use super::listeners::PortShare;
use super::runtime::Runtime;
use crate::node::Node;
use crate::sync::Mutex;

/// This process's membership in one group. Dropped, the node shuts down in the background.
#[must_use = "dropping the service stops the node"]
pub struct RaftGroupService<H = Node> {
    handle: H,
    member: Arc<Member>,
}

/// What has to be given back at the end.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) runtime: Runtime,
    /// Keeps the lanes alive until the group is closed.
    pub(super) engine: Mutex<Option<SharedLogEngine>>,
    pub(super) port: Mutex<Option<PortShare>>,
    /// Whether everything is given back. Held meanwhile, so that all who stop it wait for the same end, and only the first
    /// one acts: a node of the same name may have started since.
    pub(super) given_back: tokio::sync::Mutex<bool>,
}

impl RaftGroupService {
    /// A membership of `me` in `group`. Errors in the texts come out of `start`.
    pub fn builder<G, P>(group: G, me: P) -> RaftGroupBuilder
    where
        G: TryInto<GroupId>,
        G::Error: Into<ParseError>,
        P: TryInto<PeerId>,
        P::Error: Into<ParseError>,
    {
        let group = group.try_into().map_err(Into::into);
        RaftGroupBuilder::new(group, me.try_into().map_err(Into::into))
    }
}

impl<H> RaftGroupService<H> {
    pub(super) fn new(handle: H, member: Arc<Member>) -> Self {
        Self { handle, member }
    }

    /// The handle: of the node, or of the application.
    pub const fn handle(&self) -> &H {
        &self.handle
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.member.node
    }

    /// Syncs that reached the disk for this node's data directory since it was opened.
    pub fn fsyncs(&self) -> u64 {
        self.member.node.fsyncs()
    }

    /// Refuses new tasks, ends pending ones, syncs, closes, unlocks.
    pub async fn shutdown(self) {
        self.member.stop().await;
    }

    /// Resolves when the node takes no part any more: with OK after a shutdown, else with why it failed.
    pub async fn stopped(&self) -> Status {
        self.member.node.core().stopped().await
    }
}

impl<H> Drop for RaftGroupService<H> {
    fn drop(&mut self) {
        self.member.start_stop();
    }
}

impl<H> std::fmt::Debug for RaftGroupService<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RaftGroupService({:?})", self.member.node)
    }
}

impl Member {
    /// Stops on the loop, whoever waits: a dropped future must not leave a half-stopped node.
    pub(super) fn start_stop(self: &Arc<Self>) -> oneshot::Receiver<()> {
        let (sender, done) = oneshot::channel();
        let member = Arc::clone(self);
        let env = self.node.core().shared.env.clone();
        drop(env.on_loop("stop", async move {
            member.give_back().await;
            // Nobody waits: then nobody needs to know.
            let _ = sender.send(());
        }));
        done
    }

    pub(super) async fn stop(self: &Arc<Self>) {
        // An error means that the loop has ended, and the node with it.
        drop(self.start_stop().await);
    }

    /// Lets go of the log, and waits until it is closed if nobody else uses it.
    pub(super) async fn release_engine(&self) {
        let engine = self.engine.lock().take();
        if let Some(engine) = engine {
            engine.release().await;
        }
    }

    async fn give_back(&self) {
        let mut given_back = self.given_back.lock().await;
        if std::mem::replace(&mut *given_back, true) {
            return;
        }
        let inner = self.runtime.inner();
        inner.manager.remove(&self.node);
        self.node.core().shutdown().await;
        let port = self.port.lock().take();
        if let Some(port) = port {
            inner.listeners.leave(port).await;
        }
        self.release_engine().await;
        inner.stop_list.remove(self);
    }
}

/// The members of a runtime, to be stopped with it. Not by name: one that stops has freed its name, and may still be
/// here when its successor comes.
#[derive(Default)]
pub(super) struct StopList(Mutex<Vec<Arc<Member>>>);

impl StopList {
    pub(super) fn add(&self, member: &Arc<Member>) {
        self.0.lock().push(Arc::clone(member));
    }

    fn remove(&self, member: &Member) {
        self.0.lock().retain(|other| !std::ptr::eq(Arc::as_ptr(other), member));
    }

    pub(super) async fn stop_all(&self) {
        let members: Vec<Arc<Member>> = self.0.lock().clone();
        for member in members {
            member.stop().await;
        }
    }
}
