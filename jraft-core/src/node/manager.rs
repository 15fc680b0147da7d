//! `NodeManager`: the nodes of a runtime, and the way of a request to one of them.

use std::collections::BTreeMap;

use jraft_spi::env::{BoxFuture, ready};
use jraft_spi::message::{RaftRequest, RaftResponse};
use jraft_spi::rpc::RaftServerService;
use jraft_spi::{GroupId, PeerId, RaftError, Status};

use super::Node;
use crate::sync::RwLock;

/// The registry of a runtime (not of the process).
#[derive(Debug, Default)]
pub struct NodeManager {
    nodes: RwLock<BTreeMap<GroupId, BTreeMap<PeerId, Node>>>,
}

impl NodeManager {
    /// The node of a group with this identity.
    pub fn get(&self, group: &GroupId, peer: &PeerId) -> Option<Node> {
        self.nodes.read().get(group)?.get(peer).cloned()
    }

    /// All nodes of a group.
    pub fn nodes_of(&self, group: &GroupId) -> Vec<Node> {
        self.nodes
            .read()
            .get(group)
            .map(|nodes| nodes.values().cloned().collect())
            .unwrap_or_default()
    }

    /// All nodes.
    pub fn all(&self) -> Vec<Node> {
        self.nodes.read().values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Registers a node. False if one of the same identity is there.
    pub(crate) fn add(&self, node: &Node) -> bool {
        let mut nodes = self.nodes.write();
        let group = nodes.entry(node.group().clone()).or_default();
        if group.contains_key(node.id()) {
            return false;
        }
        group.insert(node.id().clone(), node.clone());
        true
    }

    pub(crate) fn remove(&self, node: &Node) {
        let mut nodes = self.nodes.write();
        if let Some(group) = nodes.get_mut(node.group()) {
            group.remove(node.id());
            if group.is_empty() {
                nodes.remove(node.group());
            }
        }
    }

    fn find(&self, request: &RaftRequest) -> Result<Option<Node>, Status> {
        let Some((group, peer)) = request.target() else { return Ok(None) };
        let missing = |text: String| Status::new(RaftError::ENOENT, text);
        if let Some(peer) = peer {
            let text = || missing(format!("Peer id not found: {peer}, group: {group}"));
            return self.get(group, peer).map(Some).ok_or_else(text);
        }
        let mut nodes = self.nodes_of(group);
        match nodes.len() {
            0 => Err(missing(format!("Empty nodes in group {group}"))),
            1 => Ok(nodes.pop()),
            several => {
                let text = format!(
                    "Peer must be specified since there're {several} nodes in group {group}"
                );
                Err(Status::new(RaftError::EINVAL, text))
            }
        }
    }
}

impl RaftServerService for NodeManager {
    fn handle(&self, request: RaftRequest) -> BoxFuture<'static, Result<RaftResponse, Status>> {
        match self.find(&request) {
            Ok(Some(node)) => node.handle(request),
            Ok(None) => ready(Ok(RaftResponse::Ping)),
            Err(status) => ready(Err(status)),
        }
    }
}
