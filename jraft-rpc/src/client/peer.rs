//! The connection to one endpoint, through all its lives (`ConnectionPool`, `ReconnectManager`).
//!
//! A call is queued while there is a connection, or while the *first* attempt to make one runs (the first ever, and
//! the one right after a connection was lost): so the first votes after a start need no second round. If that attempt
//! fails, its calls and all later ones fail at once, as in the reference, until an attempt in the background succeeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jraft_spi::Endpoint;
use jraft_spi::env::MonoTime;
use jraft_spi::rpc::RpcError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Shared;
use super::backoff::Backoff;
use super::table::{Table, Waiter};
use crate::bolt::MAX_PART;
use crate::convert::EncodedRequest;
use crate::link::Outlet;
use crate::out_queue::OutQueue;

/// An endpoint that was called.
pub(super) struct Peer {
    pub(super) to: Endpoint,
    pub(super) shared: Arc<Shared>,
    pub(super) state: Mutex<State>,
    wake_writer: Notify,
    /// Told when an earlier deadline appears.
    pub(super) wake_keeper: Notify,
    pub(super) close: Notify,
    /// When something was last read.
    pub(super) last_read: AtomicU64,
    /// When something last left.
    last_written: AtomicU64,
    /// Told when a call expired since whose sending nothing was read.
    pub(super) doubt: Notify,
}

pub(super) struct State {
    phase: Phase,
    pub(super) out: OutQueue,
    pub(super) table: Table,
    last_used: MonoTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody needs a connection.
    Idle,
    /// The first attempt runs: calls wait for it.
    First,
    /// Connected.
    Up,
    /// Attempts are made in the background; calls fail with what the last one ended with.
    Down(String),
    /// The client is gone.
    Closed,
}

impl Peer {
    pub(super) fn new(shared: Arc<Shared>, to: Endpoint) -> Arc<Self> {
        Arc::new(Self {
            to,
            shared,
            state: Mutex::new(State {
                phase: Phase::Idle,
                out: OutQueue::default(),
                table: Table::default(),
                last_used: MonoTime::ZERO,
            }),
            wake_writer: Notify::new(),
            wake_keeper: Notify::new(),
            close: Notify::new(),
            last_read: AtomicU64::new(0),
            last_written: AtomicU64::new(0),
            doubt: Notify::new(),
        })
    }

    /// Queues a call, or ends it at once.
    pub(super) fn send(
        self: &Arc<Self>,
        request: EncodedRequest,
        waiter: Waiter,
        timeout: Duration,
    ) {
        let now = self.now();
        let mut state = self.state.lock();
        state.last_used = now;
        let begins = state.phase == Phase::Idle;
        if begins {
            state.phase = Phase::First;
        }
        if let Err(why) = self.check(&state, &request) {
            if begins {
                state.phase = Phase::Idle;
            }
            drop(state);
            return waiter.fail(RpcError::NotConnected { to: self.to.clone(), why });
        }
        let id = self.free_id(&state.table);
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
        request.put(&mut state.out, id, timeout_ms);
        let expires_next = state.table.insert(id, now, timeout, waiter);
        drop(state);
        if begins {
            let keeper = Keeper(Some(Arc::clone(self)));
            // Without the lock: a loop that has ended drops the keeper here and now.
            self.shared.env.on_loop("rpc-client", keeper.keep_connected());
        }
        self.wake_writer.notify_one();
        if expires_next {
            self.wake_keeper.notify_one();
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state.lock().phase == Phase::Up
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().phase == Phase::Idle
    }

    /// Ends everything for good.
    pub(super) fn close(&self) {
        self.end(Phase::Closed, "the client is closed");
        self.close.notify_one();
    }

    /// Whether more is to be sent, and some of it left within the last `while_ago`.
    pub(super) fn is_sending(&self, while_ago: Duration) -> bool {
        let last_written = MonoTime::from_nanos(self.last_written.load(Ordering::Relaxed));
        self.with_out(|out| out.unsent()) > 0 && self.now().since(last_written) < while_ago
    }

    pub(super) fn now(&self) -> MonoTime {
        self.shared.env.clock.now()
    }

    pub(super) fn next_id(&self) -> i32 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn free_id(&self, table: &Table) -> i32 {
        loop {
            let id = self.next_id();
            if !table.contains(id) {
                return id;
            }
        }
    }

    /// Why a call cannot be queued.
    fn check(&self, state: &State, request: &EncodedRequest) -> Result<(), String> {
        let limit = match &state.phase {
            Phase::Up => MAX_UNSENT,
            Phase::First => MAX_UNSENT_FIRST,
            Phase::Down(why) => return Err(why.clone()),
            Phase::Idle | Phase::Closed => return Err("the client is closed".to_owned()),
        };
        if state.out.unsent() > limit {
            return Err(format!("write overflow: {} bytes are not sent yet", state.out.unsent()));
        }
        if state.table.len() >= MAX_CALLS {
            return Err(format!("{MAX_CALLS} calls wait for their answers"));
        }
        let max_content = self.shared.options.max_frame_bytes as usize;
        if request.content_len() > max_content || request.class_len() > MAX_PART {
            return Err(format!(
                "a request of {} bytes is longer than max_frame_bytes",
                request.content_len()
            ));
        }
        Ok(())
    }

    /// Connects, and connects again, as long as the endpoint is in use.
    async fn keep_connected(&self) {
        let mut backoff = Backoff::default();
        loop {
            let life = tokio::select! {
                biased;
                () = self.close.notified() => return,
                life = self.live() => life,
            };
            if life.was_of_use {
                backoff.succeeded();
                // Calls wait for the next attempt, which is made at once.
                self.end(Phase::First, &life.why);
            } else {
                self.end(Phase::Down(life.why), "");
                tokio::select! {
                    biased;
                    () = self.close.notified() => return,
                    () = self.shared.env.sleep(backoff.failed()) => {}
                }
            }
            if self.rest() {
                return;
            }
        }
    }

    /// The connection is up.
    pub(super) fn note_up(&self) {
        self.last_read.store(self.now().as_nanos(), Ordering::Relaxed);
        let mut state = self.state.lock();
        if state.phase != Phase::Closed {
            state.phase = Phase::Up;
        }
        drop(state);
        slog::info!(self.shared.env.log, "connected"; "to" => %self.to);
    }

    /// A life of the connection is over: its calls fail, what was not sent is forgotten.
    fn end(&self, next: Phase, why: &str) {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            return;
        }
        let was_up = state.phase == Phase::Up;
        let (to, why) = (
            &self.to,
            match &next {
                Phase::Down(why) => why.clone(),
                _ => why.to_owned(),
            },
        );
        let log = &self.shared.env.log;
        if was_up {
            slog::info!(log, "connection lost"; "to" => %to, "why" => &why);
        } else if state.phase == Phase::First {
            slog::info!(log, "cannot connect"; "to" => %to, "why" => &why);
        }
        state.phase = next;
        state.out = OutQueue::default();
        let waiters = state.table.drain();
        drop(state);
        for waiter in waiters {
            let (to, why) = (to.clone(), why.clone());
            waiter.fail(if was_up {
                RpcError::Lost { to, why }
            } else {
                RpcError::NotConnected { to, why }
            });
        }
    }

    /// Gives up if nobody has called for a while; the next call begins anew.
    fn rest(&self) -> bool {
        let now = self.now();
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            return true;
        }
        let rests = now.since(state.last_used) > KEEP_TRYING && state.table.len() == 0;
        if rests {
            state.phase = Phase::Idle;
        }
        rests
    }
}

/// The task of a peer, without which no call expires: whoever drops it, the end of a loop for example, ends the calls.
struct Keeper(Option<Arc<Peer>>);

impl Keeper {
    async fn keep_connected(mut self) {
        if let Some(peer) = &self.0 {
            peer.keep_connected().await;
        }
        // It came to its end, and another one may have begun since.
        self.0 = None;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(peer) = self.0.take() {
            // Not closed for good: it may have been a panic, and the next call then begins anew.
            peer.end(Phase::Idle, "the loop of the client has ended");
        }
    }
}

impl Outlet for Peer {
    fn with_out<R>(&self, act: impl FnOnce(&mut OutQueue) -> R) -> R {
        act(&mut self.state.lock().out)
    }

    fn wake_writer(&self) -> &Notify {
        &self.wake_writer
    }

    fn note_written(&self) {
        self.last_written.store(self.now().as_nanos(), Ordering::Relaxed);
    }
}

/// With more unsent bytes than this, calls fail.
const MAX_UNSENT: usize = 64 << 20;
/// The same while the first attempt to connect runs.
const MAX_UNSENT_FIRST: usize = 4 << 20;
/// Calls that may wait for answers at a time.
const MAX_CALLS: usize = 65_536;
/// How long after the last call a lost connection is still made anew.
const KEEP_TRYING: Duration = Duration::from_secs(60);
