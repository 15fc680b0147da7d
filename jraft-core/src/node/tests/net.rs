//! The network of a group under test: packets in a queue, delivered, lost and repeated as the test says.

use std::collections::VecDeque;

use jraft_spi::env::MonoTime;
use jraft_spi::message::{AppendKind, RaftRequest, RaftResponse};
use jraft_spi::rpc::RpcError;
use tokio::sync::oneshot;

use super::kit::{Call, Group};
use crate::node::append::check_request;
use crate::node::effect::{ReplyTo, Sent, SentWhat};
use crate::node::state::{Effects, NodeState};

/// A request or an answer under way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) load: Load,
    pub(super) sent: Sent,
    /// Of the node that asked: an answer to a dead process is nobody's.
    pub(super) caller: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Load {
    Request(RaftRequest),
    Answer(Result<RaftResponse, RpcError>),
}

impl Packet {
    /// "PreVote", "Vote", "Heartbeat", "Append": what it is, or answers.
    pub(super) fn kind(&self) -> &'static str {
        match self.sent.what {
            SentWhat::PreVote { .. } => "PreVote",
            SentWhat::Vote => "Vote",
            SentWhat::Heartbeat { .. } => "Heartbeat",
            SentWhat::Append { .. } => "Append",
        }
    }

    /// What a request of a leader carries.
    pub(super) const fn append_kind(&self) -> Option<AppendKind> {
        match &self.load {
            Load::Request(RaftRequest::AppendEntries(request)) => Some(request.kind),
            _ => None,
        }
    }

    pub(super) const fn is_request(&self) -> bool {
        matches!(self.load, Load::Request(_))
    }
}

impl Group {
    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Cuts `i` off, or joins it again.
    pub(super) fn isolate(&mut self, i: usize) {
        for other in (0..self.members.len()).filter(|&other| other != i) {
            self.cut.extend([(i, other), (other, i)]);
        }
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Delivers the packet at this place of the queue.
    pub(super) fn deliver(&mut self, place: usize) {
        let Some(packet) = self.net.remove(place) else { return };
        if self.is_cut(packet.from, packet.to) {
            return self.lose(packet);
        }
        self.hand_in(packet);
    }

    pub(super) fn hand_in(&mut self, packet: Packet) {
        let to = packet.to;
        match packet.load.clone() {
            Load::Request(_) if !self.is_up(to) => self.answer(packet, Err(lost())),
            Load::Request(request) => self.ask(to, request, packet),
            Load::Answer(answer) => {
                let member = &self.members[to];
                if member.state.is_some() && member.incarnation == packet.caller {
                    let sent = packet.sent;
                    self.act(to, |state, now, fx| state.on_answer(&sent, answer, now, fx));
                }
            }
        }
    }

    fn ask(&mut self, to: usize, request: RaftRequest, packet: Packet) {
        let (sender, answer) = oneshot::channel();
        let reply = ReplyTo(sender);
        if let RaftRequest::AppendEntries(append) = &request {
            check_request(append, true).expect("our own requests are valid");
        }
        self.members[to].calls.push(Call { request: request.clone(), packet, answer });
        self.act(to, |state, now, fx| hear(state, &request, reply, now, fx));
    }

    /// A packet is lost: whoever asked learns of it in the end.
    pub(super) fn lose(&mut self, packet: Packet) {
        let error = Err(lost());
        match packet.load {
            Load::Request(_) => self.answer(packet, error),
            // The caller's own clock tells it, no network is needed.
            Load::Answer(_) => self.hand_in(Packet { load: Load::Answer(error), ..packet }),
        }
    }

    /// Takes the packets that `which` names out of the network.
    pub(super) fn take(&mut self, which: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let all = std::mem::take(&mut self.net).into_iter();
        let (taken, left): (VecDeque<Packet>, VecDeque<Packet>) = all.partition(|p| which(p));
        self.net = left;
        taken.into()
    }

    /// Delivers what `which` names, once, in order, and nothing that comes of it. How many there were.
    pub(super) fn deliver_if(&mut self, which: impl Fn(&Packet) -> bool) -> usize {
        let taken = self.take(which);
        let count = taken.len();
        for packet in taken {
            if self.is_cut(packet.from, packet.to) {
                self.lose(packet);
            } else {
                self.hand_in(packet);
            }
        }
        count
    }

    /// Delivers until nothing is under way.
    pub(super) fn settle(&mut self) {
        self.settle_but(|_| false);
    }

    /// The same, except for what `held` names, which stays under way.
    pub(super) fn settle_but(&mut self, held: impl Fn(&Packet) -> bool) {
        for _ in 0..20_000 {
            let Some(place) = self.net.iter().position(|packet| !held(packet)) else { return };
            self.deliver(place);
        }
        panic!("the network never comes to rest");
    }
}

/// What the node's handle does with a request.
pub(super) fn hear(
    state: &mut NodeState,
    request: &RaftRequest,
    reply: ReplyTo,
    now: MonoTime,
    fx: &mut Effects,
) {
    match request {
        RaftRequest::RequestVote(request) => state.on_request_vote(request, reply, now, fx),
        RaftRequest::AppendEntries(request) => state.on_append_entries(request, reply, now, fx),
        RaftRequest::TimeoutNow(request) => state.on_timeout_now(request, reply, now, fx),
        RaftRequest::Ping | RaftRequest::GetLeader(_) => unreachable!("not for the state"),
    }
}

pub(super) fn lost() -> RpcError {
    RpcError::Lost { to: "x:1".parse().unwrap(), why: "test".to_owned() }
}
