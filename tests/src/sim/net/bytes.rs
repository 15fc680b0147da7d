//! The byte level: connections between nodes as streams of bytes, under the real codec and the real connection manager.
//!
//! A chunk of bytes travels like a message, but in order, and none is lost alone: what is lost breaks the connection, or, if
//! the link is cut, nothing more arrives and nobody is told. The end of a process ends its connections, unless its machine
//! went down with it: then the others hear nothing until that is up again and does not know them.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jraft_core::env::BoxFuture;
use jraft_core::{Endpoint, PeerId};
use jraft_rpc::io::{Accept, Accepted, Net, Stream};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::links::{Links, NetPace};
use crate::sim::dice::Key;
use crate::sim::hub::{Hub, Life};

/// See the [module](self).
pub struct ByteNet {
    hub: Arc<Hub>,
    links: Arc<Mutex<Links>>,
    peers: Vec<PeerId>,
    ports: Mutex<Vec<Option<Port>>>,
    connections: Mutex<u64>,
    /// Processes whose machine lost power.
    unplugged: Mutex<BTreeSet<Life>>,
}

/// How long until what nobody confirmed is sent again, in nanoseconds.
const AGAIN: u64 = 200_000_000;

/// An open port, and whose it is.
type Port = (Life, Arc<Backlog>);

/// Connections that wait to be accepted.
#[derive(Default)]
struct Backlog(Mutex<(VecDeque<ByteStream>, Option<Waker>)>);

impl ByteNet {
    /// A network over these links.
    pub fn new(hub: &Arc<Hub>, peers: Vec<PeerId>, links: Arc<Mutex<Links>>) -> Arc<Self> {
        let ports = Mutex::new(peers.iter().map(|_| None).collect());
        let (hub, connections) = (Arc::clone(hub), Mutex::new(0));
        Arc::new(Self { hub, links, peers, ports, connections, unplugged: Mutex::default() })
    }

    /// The network as one process sees it.
    pub fn of(self: &Arc<Self>, life: Life) -> Arc<dyn Net> {
        Arc::new(Seat { net: Arc::clone(self), life })
    }

    /// The machine of this process loses power, before the process ends.
    pub fn unplug(&self, life: Life) {
        self.unplugged.lock().insert(life);
    }

    /// Whether the machine of a process is down: it lost power, and no other process has started since.
    fn is_off(&self, life: Life) -> bool {
        self.unplugged.lock().contains(&life) && self.hub.life(life.node).is_none()
    }

    /// None if nobody answers, not even with a refusal.
    fn connect(self: &Arc<Self>, from: Life, to: &Endpoint) -> Option<io::Result<ByteStream>> {
        let refused = || Some(Err(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let Some(node) = self.peers.iter().position(|peer| peer.endpoint() == to) else {
            return refused();
        };
        if self.links.lock().is_cut(from.node, node) || self.links.lock().is_cut(node, from.node) {
            return None;
        }
        let port = self.ports.lock()[node].clone();
        if port.as_ref().is_some_and(|(life, _)| self.is_off(*life)) {
            return None;
        }
        let Some(port) = port.filter(|(life, _)| self.hub.is_alive(*life)) else {
            return refused();
        };
        let mut connections = self.connections.lock();
        *connections += 1;
        let number = *connections;
        drop(connections);
        let (there, back) = (Pipe::new(number * 2), Pipe::new(number * 2 + 1));
        let way = |from: Life, to: Life, out: &Arc<Pipe>, into: &Arc<Pipe>| {
            let (net, out, into) = (Arc::clone(self), Arc::clone(out), Arc::clone(into));
            ByteStream(Side { net, from, to, out, into })
        };
        let mut backlog = port.1.0.lock();
        backlog.0.push_back(way(port.0, from, &back, &there));
        let waker = backlog.1.take();
        drop(backlog);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(Ok(way(from, port.0, &there, &back)))
    }
}

/// One direction of a connection.
struct Pipe {
    number: u64,
    state: Mutex<PipeState>,
}

#[derive(Default)]
struct PipeState {
    arrived: VecDeque<u8>,
    /// Sent, and not yet read: a writer waits when this is too much.
    travelling: usize,
    chunks: u64,
    latest: u64,
    closed: bool,
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a pipe holds before a writer must wait.
const PIPE_BYTES: usize = 64 << 10;

impl Pipe {
    fn new(number: u64) -> Arc<Self> {
        Arc::new(Self { number, state: Mutex::default() })
    }

    fn arrive(&self, chunk: &[u8]) {
        let mut state = self.state.lock();
        state.arrived.extend(chunk);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Nothing more will come: an end, or an error.
    fn end(&self, broken: bool) {
        let mut state = self.state.lock();
        state.closed = true;
        state.broken |= broken;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// One side of a connection, with what the network does for it.
#[derive(Clone)]
struct Side {
    net: Arc<ByteNet>,
    from: Life,
    to: Life,
    out: Arc<Pipe>,
    into: Arc<Pipe>,
}

/// What a node holds of a side. The connection ends when it is dropped.
struct ByteStream(Side);

impl Side {
    /// Sends the next chunk of these bytes; how many it has.
    fn send(&self, bytes: &[u8]) -> usize {
        let hub = &self.net.hub;
        let mut state = self.out.state.lock();
        state.chunks += 1;
        let key = Key::new(hub.seed, 0xb17e).with(self.out.number).with(state.chunks);
        // Seldom a byte, mostly what there is.
        let most = [1, 7, 100, usize::MAX, usize::MAX, usize::MAX][key.number() as usize % 6];
        let count = bytes.len().min(most).min(PIPE_BYTES);
        let mut links = self.net.links.lock();
        links.traffic.sent += 1;
        let NetPace { delay, tail, loss, .. } = links.pace;
        if key.with(1).chance(loss / 4) {
            links.traffic.lost += 1;
            drop((links, state));
            self.break_off();
            return count;
        }
        let late = key.with(2).chance(tail.0);
        links.traffic.late += u64::from(late);
        drop(links);
        let tail = if late { key.with(3).within(0, tail.1) } else { 0 };
        let at = hub.now() + (key.with(4).within(delay.0, delay.1) + tail) * 1000;
        state.latest = at.max(state.latest);
        state.travelling += count;
        let wait = state.latest - hub.now();
        drop(state);
        hub.note(key.number() ^ count as u64);
        let (side, chunk) = (self.clone(), bytes[..count].to_vec());
        hub.after(wait, move || side.deliver(&chunk));
        count
    }

    fn deliver(self, chunk: &[u8]) {
        let mut links = self.net.links.lock();
        if links.is_cut(self.from.node, self.to.node) {
            links.traffic.cut += 1;
            drop(links);
            // The rest of the connection would have a hole: it is of no use any more once the link is whole again.
            self.out.state.lock().broken = true;
            return;
        }
        drop(links);
        if !self.net.hub.is_alive(self.to) {
            return self.nobody_is_there();
        }
        let holed = self.out.state.lock().broken;
        if holed { self.out.end(true) } else { self.out.arrive(chunk) }
    }

    /// A machine that runs says that it knows no such connection; one that is off is asked again and again.
    fn nobody_is_there(self) {
        if self.net.is_off(self.to) {
            let asks = std::mem::replace(&mut self.out.state.lock().broken, true);
            if !asks {
                let hub = Arc::clone(&self.net.hub);
                hub.after(AGAIN, move || self.ask_again());
            }
            return;
        }
        self.break_off();
    }

    fn ask_again(self) {
        if self.net.hub.is_alive(self.from) {
            self.out.state.lock().broken = false;
            self.deliver(&[]);
        }
    }

    fn break_off(&self) {
        self.out.end(true);
        self.into.end(true);
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.into.state.lock();
        if state.arrived.is_empty() {
            if state.broken && state.closed {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if state.closed {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = state.arrived.len().min(buffer.remaining());
        let bytes: Vec<u8> = state.arrived.drain(..count).collect();
        buffer.put_slice(&bytes);
        state.travelling -= count;
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.out.state.lock();
        if state.closed || !self.0.net.hub.is_alive(self.0.from) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.travelling >= PIPE_BYTES {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(Ok(self.0.send(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for ByteStream {
    /// The other side reads an end, after what is under way; if the link is whole.
    fn drop(&mut self) {
        if self.0.net.unplugged.lock().contains(&self.0.from) {
            return;
        }
        let side = self.0.clone();
        let wait = side.out.state.lock().latest.saturating_sub(side.net.hub.now()) + 100_000;
        self.0.net.hub.after(wait, move || {
            if !side.net.links.lock().is_cut(side.from.node, side.to.node) {
                side.out.end(false);
                side.into.end(true);
            }
        });
    }
}

struct Seat {
    net: Arc<ByteNet>,
    life: Life,
}

impl Net for Seat {
    fn connect(&self, to: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let (net, life, to) = (Arc::clone(&self.net), self.life, to.clone());
        Box::pin(async move {
            let delay = net.links.lock().pace.delay.1;
            net.hub.sleep(Some(life.node), std::time::Duration::from_micros(delay)).await;
            match net.connect(life, &to) {
                Some(stream) => stream.map(|stream| Box::new(stream) as Box<dyn Stream>),
                None => std::future::pending().await,
            }
        })
    }

    fn listen(&self, at: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Accept>>> {
        let backlog = Arc::<Backlog>::default();
        self.net.ports.lock()[self.life.node] = Some((self.life, Arc::clone(&backlog)));
        let port = at.port();
        Box::pin(async move { Ok(Box::new(Listener { backlog, port }) as Box<dyn Accept>) })
    }
}

struct Listener {
    backlog: Arc<Backlog>,
    port: i32,
}

impl Accept for Listener {
    fn port(&self) -> i32 {
        self.port
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(std::future::poll_fn(|context| {
            let mut backlog = self.backlog.0.lock();
            if let Some(stream) = backlog.0.pop_front() {
                let from = "a simulated node".to_owned();
                return Poll::Ready(Ok(Accepted { stream: Box::new(stream), from }));
            }
            backlog.1 = Some(context.waker().clone());
            Poll::Pending
        }))
    }
}
