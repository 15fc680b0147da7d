//! The watch: shows the judge what happens, and looks into nodes for it.

use std::sync::Arc;

use jraft_core::Node;
use jraft_core::message::{RaftRequest, RaftResponse};
use parking_lot::Mutex;

use super::hub::{Hub, Life};
use super::timeline::Timeline;
use crate::checks::{Judge, Seen};

/// See the [module](self).
pub struct Watch {
    /// The world.
    pub hub: Arc<Hub>,
    /// The judge.
    pub judge: Mutex<Judge>,
    /// What a person reads after a failure.
    pub timeline: Timeline,
    nodes: Mutex<Vec<Option<(Life, Node)>>>,
}

impl Watch {
    /// A watch over a world.
    pub fn new(hub: Arc<Hub>, judge: Judge, timeline: Timeline) -> Arc<Self> {
        let nodes = judge.facts.nodes.iter().map(|_| None).collect();
        Arc::new(Self { hub, judge: Mutex::new(judge), timeline, nodes: Mutex::new(nodes) })
    }

    /// This process is a node now.
    pub fn node_is(&self, life: Life, node: Node) {
        self.nodes.lock()[life.node] = Some((life, node));
    }

    /// The process is gone.
    pub fn node_is_gone(&self, node: usize) {
        let gone = self.nodes.lock()[node].take();
        drop(gone);
    }

    /// The handle of a node that is up.
    pub fn node(&self, node: usize) -> Option<Node> {
        let known = self.nodes.lock()[node].clone();
        known.filter(|(life, _)| self.hub.is_alive(*life)).map(|(_, node)| node)
    }

    /// Shows the judge something. A verdict of guilty ends the run.
    pub fn see(&self, seen: &Seen<'_>) {
        let mut judge = self.judge.lock();
        judge.facts.now = self.hub.now();
        if let Err(wrong) = judge.see(seen) {
            self.hub.fail(wrong);
        }
    }

    /// Looks into a node. Not from within one of its decisions: its lock is held then.
    pub fn look(&self, node: usize) {
        let Some(handle) = self.node(node) else { return };
        handle.inspect(|inside| {
            self.timeline.role(self.hub.now(), node, inside);
            self.see(&Seen::Looked { node, inside });
        });
    }

    /// A request leaves a node.
    pub fn sends(&self, life: Life, request: &RaftRequest) {
        if self.hub.is_alive(life) {
            self.look(life.node);
            self.timeline.sends(self.hub.now(), life.node, request);
            self.see(&Seen::Sends { node: life.node, request });
        }
    }

    /// A request reaches a node.
    pub fn hears(&self, life: Life, request: &RaftRequest) {
        if self.hub.is_alive(life) {
            self.see(&Seen::Hears { node: life.node, request });
        }
    }

    /// The answer to what it heard then leaves a node.
    pub fn answers(&self, life: Life, request: &RaftRequest, heard: u64, answer: &RaftResponse) {
        if self.hub.is_alive(life) {
            self.look(life.node);
            self.timeline.answers(self.hub.now(), life.node, request, answer);
            self.see(&Seen::Answers { node: life.node, request, heard, answer });
        }
    }
}
