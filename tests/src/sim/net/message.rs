//! The message level: requests and answers travel as values, each with a fate of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use jraft_core::env::{BoxFuture, ready};
use jraft_core::message::{RaftRequest, RaftResponse};
use jraft_core::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, RpcError, UserMessage,
    UserProcessors,
};
use jraft_core::{Endpoint, PeerId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::links::{Fate, Links, Travel};
use crate::sim::hub::{Hub, Life};

type Answer = Result<RaftResponse, RpcError>;

/// Where the answer to a request goes: the first one that arrives counts.
type ReplySlot = Arc<Mutex<Option<oneshot::Sender<Answer>>>>;

/// A request on its way, with what is needed to answer it.
#[derive(Clone)]
struct Parcel {
    travel: Travel,
    request: RaftRequest,
    caller: Life,
    reply: ReplySlot,
}

/// A request or an answer that a script holds back.
pub struct HeldMessage {
    /// Its way.
    pub travel: Travel,
    /// What an answer says; nothing for a request.
    pub says: &'static str,
    deliver: Box<dyn Fn() + Send>,
}

impl HeldMessage {
    /// Delivers it now; a script may keep a copy and do so again.
    pub fn deliver(&self) {
        (self.deliver)();
    }
}

/// See the [module](self).
pub struct MessageNet {
    hub: Arc<Hub>,
    /// The links.
    pub links: Arc<Mutex<Links>>,
    peers: Vec<PeerId>,
    ports: Mutex<Vec<Option<Port>>>,
    /// What a script holds back, in the order in which it was sent.
    pub held: Mutex<VecDeque<HeldMessage>>,
}

#[derive(Clone)]
struct Port {
    life: Life,
    inbox: Arc<Inbox>,
}

#[derive(Default)]
struct Inbox(Mutex<(VecDeque<Parcel>, Option<Waker>)>);

impl Inbox {
    fn push(&self, parcel: Parcel) {
        let mut inbox = self.0.lock();
        inbox.0.push_back(parcel);
        let waker = inbox.1.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next parcel; between two of them other tasks may run.
    async fn take(&self) -> Parcel {
        let mut first = true;
        std::future::poll_fn(|context| {
            let mut inbox = self.0.lock();
            if std::mem::take(&mut first) && !inbox.0.is_empty() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(parcel) = inbox.0.pop_front() {
                return Poll::Ready(parcel);
            }
            inbox.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl MessageNet {
    /// A network between nodes of these names.
    pub fn new(hub: &Arc<Hub>, peers: Vec<PeerId>, links: Arc<Mutex<Links>>) -> Arc<Self> {
        let ports = Mutex::new(peers.iter().map(|_| None).collect());
        Arc::new(Self { hub: Arc::clone(hub), links, peers, ports, held: Mutex::default() })
    }

    /// The transport of one process.
    pub fn factory(self: &Arc<Self>, life: Life) -> Arc<dyn RaftRpcFactory> {
        Arc::new(Factory { net: Arc::clone(self), life })
    }

    fn node_at(&self, to: &Endpoint) -> Option<usize> {
        self.peers.iter().position(|peer| peer.endpoint() == to)
    }

    fn port(&self, node: usize) -> Option<Port> {
        let port = self.ports.lock()[node].clone();
        port.filter(|port| self.hub.is_alive(port.life))
    }

    fn send(self: &Arc<Self>, parcel: Parcel) {
        let now = self.hub.now();
        let travel = parcel.travel;
        self.hub.note(travel.term ^ (travel.index << 20) ^ ((travel.kind as u64) << 56));
        let fate = {
            let mut links = self.links.lock();
            links.traffic.entry_bytes += entry_bytes(&parcel.request);
            links.fate(travel, now)
        };
        match fate {
            Fate::Lost => self.tell_loss(&parcel, "the message was lost"),
            Fate::Held => {
                let net = Arc::clone(self);
                let deliver = Box::new(move || net.arrive(parcel.clone()));
                self.held.lock().push_back(HeldMessage { travel, says: "", deliver });
            }
            Fate::Arrives(first, second) => {
                for delay in [Some(first), second].into_iter().flatten() {
                    let (net, parcel) = (Arc::clone(self), parcel.clone());
                    self.hub.after(delay, move || net.arrive(parcel));
                }
            }
        }
    }

    fn arrive(self: &Arc<Self>, parcel: Parcel) {
        let Travel { from, to, .. } = parcel.travel;
        if self.links.lock().is_cut(from, to) {
            return self.tell_loss(&parcel, "the link was cut");
        }
        match self.port(to) {
            Some(port) => port.inbox.push(parcel),
            None => self.tell_loss(&parcel, "nobody listens"),
        }
    }

    /// The caller learns that its connection is gone, if the network is of that kind.
    fn tell_loss(self: &Arc<Self>, parcel: &Parcel, why: &str) {
        let travel = parcel.travel;
        let links = self.links.lock();
        if !links.pace.tells || links.is_cut(travel.from, travel.to) {
            return;
        }
        let delay = links.pace.delay.1 * 1000;
        drop(links);
        let to = self.peers[travel.to].endpoint().clone();
        let error = RpcError::Lost { to, why: why.to_owned() };
        let (net, parcel) = (Arc::clone(self), parcel.clone());
        self.hub.after(delay, move || net.hand_over(&parcel, Err(error)));
    }

    fn answer(self: &Arc<Self>, parcel: Parcel, answer: Answer) {
        let back = parcel.travel.back();
        let fate = self.links.lock().fate(back, self.hub.now());
        match fate {
            Fate::Lost => {}
            Fate::Held => {
                let (net, says) = (Arc::clone(self), in_a_word(&answer));
                let deliver = Box::new(move || net.hand_over(&parcel, answer.clone()));
                self.held.lock().push_back(HeldMessage { travel: back, says, deliver });
            }
            Fate::Arrives(delay, _) => {
                let net = Arc::clone(self);
                self.hub.after(delay, move || {
                    let cut = net.links.lock().is_cut(back.from, back.to);
                    if !cut {
                        net.hand_over(&parcel, answer);
                    }
                });
            }
        }
    }

    fn hand_over(&self, parcel: &Parcel, answer: Answer) {
        if self.hub.is_alive(parcel.caller)
            && let Some(reply) = parcel.reply.lock().take()
        {
            // The caller may have given up.
            drop(reply.send(answer));
        }
    }
}

fn in_a_word(answer: &Answer) -> &'static str {
    let yes = match answer {
        Ok(RaftResponse::RequestVote(answer)) => answer.granted,
        Ok(RaftResponse::AppendEntries(answer)) => answer.success,
        Ok(RaftResponse::TimeoutNow(answer)) => answer.success,
        _ => return "an error",
    };
    if yes { "yes" } else { "no" }
}

fn entry_bytes(request: &RaftRequest) -> u64 {
    let RaftRequest::AppendEntries(append) = request else { return 0 };
    append.entries.entries().iter().map(|entry| entry.data.len() as u64).sum()
}

/// The task of a port: hands one request after the other to the node.
async fn serve(net: Arc<MessageNet>, port: Port, raft: Arc<dyn RaftServerService>) {
    loop {
        let parcel = port.inbox.take().await;
        let answer = raft.handle(parcel.request.clone());
        let (net, life) = (Arc::clone(&net), port.life);
        let hub = Arc::clone(&net.hub);
        let task = async move {
            let answer = answer.await;
            if net.hub.is_alive(life) {
                net.answer(parcel, answer.map_err(RpcError::Remote));
            }
        };
        hub.spawn(Some(life), "serve", Box::pin(task));
    }
}

struct Factory {
    net: Arc<MessageNet>,
    life: Life,
}

impl RaftRpcFactory for Factory {
    fn client(&self) -> Arc<dyn RaftClientService> {
        Arc::new(Client { net: Arc::clone(&self.net), life: self.life })
    }

    fn listen(
        &self,
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        _: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let port = Port { life: self.life, inbox: Arc::default() };
        self.net.ports.lock()[self.life.node] = Some(port.clone());
        let task = serve(Arc::clone(&self.net), port, raft);
        self.net.hub.spawn(Some(self.life), "port", Box::pin(task));
        ready(Ok(Box::new(OpenPort(at.clone()))))
    }
}

/// Open as long as its process lives.
struct OpenPort(Endpoint);

impl Listening for OpenPort {
    fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        ready(())
    }
}

struct Client {
    net: Arc<MessageNet>,
    life: Life,
}

impl RaftClientService for Client {
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        let Some(node) = self.net.node_at(to).filter(|_| self.net.hub.is_alive(self.life)) else {
            let why = "no such node".to_owned();
            return ready(Err(RpcError::NotConnected { to: to.clone(), why }));
        };
        let (sender, answer) = oneshot::channel();
        let travel = Travel::of(self.life.node, node, &request);
        let reply = Arc::new(Mutex::new(Some(sender)));
        self.net.send(Parcel { travel, request, caller: self.life, reply });
        let late = self.net.hub.sleep(Some(self.life.node), timeout);
        let to = to.clone();
        Box::pin(async move {
            let timed_out = RpcError::TimedOut { to, after: timeout };
            tokio::select! {
                biased;
                Ok(answer) = answer => answer,
                () = late => Err(timed_out),
            }
        })
    }

    fn invoke(
        &self,
        to: &Endpoint,
        _: UserMessage,
        _: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        let why = "the simulated network carries no requests of applications".to_owned();
        ready(Err(RpcError::NotConnected { to: to.clone(), why }))
    }

    fn is_connected(&self, to: &Endpoint) -> bool {
        self.net.node_at(to).is_some_and(|node| self.net.port(node).is_some())
    }
}
