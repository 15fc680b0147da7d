//! A connection that somebody opened to us: reads frames, holds the answers, ends when it must (`Connection`).

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use jraft_spi::env::MonoTime;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, split};
use tokio::sync::Notify;

use super::answer::Answer;
use super::dispatch;
use super::listener::Context;
use super::pairs::Pairs;
use crate::bolt::{Accepts, Decoder, Frame, put_heartbeat_ack};
use crate::io::Stream;
use crate::link::{Outlet, read_some, write_all};
use crate::out_queue::OutQueue;

/// A connection. Shared by its reader and writer and by the requests that are not answered yet.
pub(super) struct Connection {
    pub(super) context: Arc<Context>,
    /// Who opened it, for log lines.
    pub(super) from: String,
    pub(super) state: Mutex<State>,
    wake_writer: Notify,
    /// Told to the reader when it waits for room.
    room: Notify,
    stop: Notify,
    /// When something was last read or written.
    last_traffic: AtomicU64,
    /// When the frame that is being read began; 0 if there is none.
    frame_began: AtomicU64,
    reader_waits: AtomicBool,
}

pub(super) struct State {
    pub(super) out: OutQueue,
    pub(super) pairs: Pairs<Answer>,
    /// Requests that are not answered, and their bytes.
    pub(super) open: usize,
    pub(super) open_bytes: usize,
    /// Nothing is sent any more.
    pub(super) ended: bool,
}

impl Connection {
    pub(super) fn new(context: Arc<Context>, from: String) -> Arc<Self> {
        let now = context.env.clock.now().as_nanos();
        Arc::new(Self {
            context,
            from,
            state: Mutex::new(State {
                out: OutQueue::default(),
                pairs: Pairs::new(),
                open: 0,
                open_bytes: 0,
                ended: false,
            }),
            wake_writer: Notify::new(),
            room: Notify::new(),
            stop: Notify::new(),
            last_traffic: AtomicU64::new(now),
            frame_began: AtomicU64::new(0),
            reader_waits: AtomicBool::new(false),
        })
    }

    /// Serves it to its end.
    pub(super) async fn serve(self: Arc<Self>, stream: Box<dyn Stream>) {
        let (read_half, write_half) = split(stream);
        let mut writer = std::pin::pin!(write_all(&*self, write_half));
        let why = tokio::select! {
            biased;
            () = self.stop.notified() => "the port is closed".to_owned(),
            error = self.read(read_half) => error,
            error = &mut writer => return self.log_end(&error.to_string()),
            why = self.watch() => why.to_owned(),
        };
        // What is answered already still leaves, if it can at once.
        poll_fn(|context| {
            let _ = writer.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        self.log_end(&why);
    }

    fn log_end(&self, why: &str) {
        slog::debug!(self.context.env.log, "connection closed"; "from" => &self.from, "why" => why);
    }

    /// Asks for its end.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    /// It is over: answers that are still to come go nowhere.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.out = OutQueue::default();
        state.pairs = Pairs::new();
    }

    /// Changes the state, then wakes who waits for the change.
    pub(super) fn with_state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = act(&mut state);
        if state.ended {
            state.out = OutQueue::default();
        } else if state.out.has_queued() {
            self.wake_writer.notify_one();
        }
        if state.out.unsent() > MAX_UNSENT {
            self.stop.notify_one();
        }
        drop(state);
        if self.reader_waits.load(Ordering::Acquire) {
            self.room.notify_one();
        }
        result
    }

    /// A line about a bad request or frame; at most one a second for the port.
    pub(super) fn warn(&self, what: &str, detail: &str) {
        let Context { env, seldom, .. } = &*self.context;
        if let Some(suppressed) = seldom.pass(env.clock.now()) {
            slog::warn!(env.log, "{}", what;
                "from" => &self.from, "detail" => detail, "suppressed" => suppressed);
        }
    }

    async fn read(self: &Arc<Self>, mut from: impl AsyncRead + Unpin) -> String {
        let limit = self.context.options.max_frame_bytes as usize;
        let mut decoder = Decoder::new(Accepts::Requests, limit);
        loop {
            loop {
                self.wait_for_room().await;
                match decoder.next_frame() {
                    Ok(Some(frame)) => self.take(frame),
                    Ok(None) => break,
                    Err(error) => {
                        let error = error.to_string();
                        self.warn("closed a connection", &error);
                        return error;
                    }
                }
            }
            self.note_frame(decoder.is_partial());
            if let Err(error) = read_some(&mut from, &mut decoder).await {
                if error.kind() == io::ErrorKind::UnexpectedEof && decoder.is_partial() {
                    return "closed by the other side in the middle of a frame".to_owned();
                }
                return error.to_string();
            }
            self.note_traffic();
        }
    }

    fn take(self: &Arc<Self>, frame: Frame) {
        self.frame_began.store(0, Ordering::Relaxed);
        match frame {
            Frame::Heartbeat { id } => {
                self.with_state(|state| put_heartbeat_ack(state.out.tail(), id));
            }
            Frame::Request(request) => dispatch::dispatch(self, request),
            // The decoder of this side lets no other frame through.
            Frame::Response(_) | Frame::HeartbeatAck { .. } => {}
        }
    }

    /// The reader stops while too much is open or unsent; the sender notices by its own queue.
    async fn wait_for_room(&self) {
        while !self.has_room() {
            self.reader_waits.store(true, Ordering::Release);
            if !self.has_room() {
                self.room.notified().await;
            }
            self.reader_waits.store(false, Ordering::Release);
        }
    }

    fn has_room(&self) -> bool {
        let options = &self.context.options;
        let state = self.state.lock();
        state.open < options.max_open_requests_per_connection as usize
            && state.open_bytes <= options.max_frame_bytes as usize
            && state.out.unsent() <= MAX_UNSENT_TO_READ
    }

    fn note_frame(&self, is_partial: bool) {
        if !is_partial {
            self.frame_began.store(0, Ordering::Relaxed);
        } else if self.frame_began.load(Ordering::Relaxed) == 0 {
            let now = self.context.env.clock.now().as_nanos().max(1);
            self.frame_began.store(now, Ordering::Relaxed);
        }
    }

    fn note_traffic(&self) {
        let now = self.context.env.clock.now().as_nanos();
        self.last_traffic.store(now, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for too long, or a frame takes too long to arrive.
    async fn watch(&self) -> &'static str {
        let env = &self.context.env;
        loop {
            env.sleep(LOOK_EVERY).await;
            let now = env.clock.now();
            let since =
                |nanos: &AtomicU64| now.since(MonoTime::from_nanos(nanos.load(Ordering::Relaxed)));
            if since(&self.last_traffic) >= IDLE {
                return "nothing was read or written for 90 s";
            }
            let began = self.frame_began.load(Ordering::Relaxed);
            if began != 0 && since(&self.frame_began) >= HALF_FRAME {
                self.warn("closed a connection", "a frame was not complete after 30 s");
                return "a frame was not complete after 30 s";
            }
        }
    }
}

impl Outlet for Connection {
    fn with_out<R>(&self, act: impl FnOnce(&mut OutQueue) -> R) -> R {
        let result = act(&mut self.state.lock().out);
        if self.reader_waits.load(Ordering::Acquire) {
            self.room.notify_one();
        }
        result
    }

    fn wake_writer(&self) -> &Notify {
        &self.wake_writer
    }

    fn note_written(&self) {
        self.note_traffic();
    }
}

/// A connection without traffic is closed after this (Java: `bolt.tcp.server.idle.interval`).
const IDLE: Duration = Duration::from_secs(90);
/// A frame that has begun must be complete after this.
const HALF_FRAME: Duration = Duration::from_secs(30);
/// How often the two are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// With more unsent answers than this, no further requests are read.
const MAX_UNSENT_TO_READ: usize = 4 << 20;
/// With more unsent answers than this, the other side does not read at all: the connection is closed.
const MAX_UNSENT: usize = 256 << 20;
