//! One life of a connection: connect, write, read answers, expire calls, send heartbeats (`HeartbeatHandler`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use jraft_spi::env::MonoTime;
use tokio::io::{AsyncRead, split};

use super::peer::Peer;
use super::table::Call;
use crate::bolt::{Accepts, Decoder, Frame, put_heartbeat};
use crate::io::Stream;
use crate::link::{Outlet, read_some, write_all};
use jraft_spi::rpc::RpcError;

/// How a life ended.
pub(super) struct Life {
    /// Whether it carried an answer or lasted a while, so that the next attempt need not wait.
    pub(super) was_of_use: bool,
    pub(super) why: String,
}

impl Peer {
    pub(super) async fn live(&self) -> Life {
        tokio::select! {
            biased;
            // Runs all the time: calls expire also while the connection is being made.
            never = self.expire_calls() => match never {},
            life = self.connect_and_serve() => life,
        }
    }

    async fn connect_and_serve(&self) -> Life {
        let stream = match self.connect().await {
            Ok(stream) => stream,
            Err(why) => return Life { was_of_use: false, why },
        };
        self.note_up();
        let began = self.now();
        let why = self.serve(stream).await;
        let was_of_use = self.last_read() > began || self.now().since(began) >= OF_USE;
        Life { was_of_use, why }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let limit = Duration::from_millis(self.shared.options.rpc_connect_timeout_ms);
        tokio::select! {
            biased;
            connected = self.shared.net.connect(&self.to) => {
                connected.map_err(|error| error.to_string())
            }
            () = self.shared.env.sleep(limit) => Err(format!("no connection within {limit:?}")),
        }
    }

    async fn serve(&self, stream: Box<dyn Stream>) -> String {
        let (read_half, write_half) = split(stream);
        tokio::select! {
            biased;
            why = self.read(read_half) => why,
            error = write_all(self, write_half) => error.to_string(),
            why = self.send_heartbeats() => why,
            why = self.settle_doubts() => why,
        }
    }

    fn last_read(&self) -> MonoTime {
        MonoTime::from_nanos(self.last_read.load(Ordering::Relaxed))
    }

    async fn read(&self, mut from: impl AsyncRead + Unpin) -> String {
        let limit = self.shared.options.max_frame_bytes as usize;
        let mut decoder = Decoder::new(Accepts::Responses, limit);
        loop {
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => self.take(&frame),
                    Ok(None) => break,
                    Err(error) => return error.to_string(),
                }
            }
            if let Err(error) = read_some(&mut from, &mut decoder).await {
                return error.to_string();
            }
            // Never the instant of the connection itself, which it is compared with.
            let now = self.now().as_nanos() + 1;
            self.last_read.store(now, Ordering::Relaxed);
        }
    }

    fn take(&self, frame: &Frame) {
        // An ack says no more than that something was read. An answer nobody waits for has expired.
        if let Frame::Response(response) = frame {
            let waiter = self.state.lock().table.remove(response.id);
            if let Some(waiter) = waiter {
                waiter.answer(&self.to, response);
            }
        }
    }

    async fn expire_calls(&self) -> std::convert::Infallible {
        loop {
            let now = self.now();
            let next = loop {
                let mut state = self.state.lock();
                let Some(Call { sent, timeout, waiter }) = state.table.expire(now) else {
                    break state.table.next_deadline();
                };
                drop(state);
                waiter.fail(RpcError::TimedOut { to: self.to.clone(), after: timeout });
                // What was read in the very instant of the call counts as read before it.
                if self.last_read().as_nanos() <= sent.as_nanos() + 1 {
                    self.doubt.notify_one();
                }
            };
            let next = next.unwrap_or(now + LONG);
            tokio::select! {
                biased;
                () = self.wake_keeper.notified() => {}
                () = self.shared.env.clock.sleep_until(next) => {}
            }
        }
    }

    /// Asks a silent connection whether it is alive; ends if it is not.
    async fn send_heartbeats(&self) -> String {
        let (env, mut misses) = (&self.shared.env, 0);
        loop {
            let last_read = self.last_read();
            let silent = self.now().since(last_read);
            if silent < HEARTBEAT_AFTER {
                misses = 0;
                env.clock.sleep_until(last_read + HEARTBEAT_AFTER).await;
                continue;
            }
            if self.is_alive().await {
                continue;
            }
            misses += 1;
            if misses == MAX_MISSES {
                return format!("{MAX_MISSES} heartbeats without an answer");
            }
            env.sleep(HEARTBEAT_AFTER - ACK_WITHIN).await;
        }
    }

    /// Asks a connection on which calls expire in silence whether it is alive; ends if it is not. Behind a partition the
    /// kernel sends again at longer and longer intervals, and whatever is queued waits for it: a new connection does not.
    async fn settle_doubts(&self) -> String {
        loop {
            self.doubt.notified().await;
            // A peer that only takes its time over a request answers a heartbeat at once.
            if self.now().since(self.last_read()) < DOUBT_AFTER || self.is_alive().await {
                continue;
            }
            // Unless a large request is still on its way out before it.
            if !self.is_sending(ACK_WITHIN) {
                return "neither a call nor a heartbeat was answered".to_owned();
            }
            self.doubt.notify_one();
        }
    }

    /// Sends a heartbeat; whether anything arrives soon after.
    async fn is_alive(&self) -> bool {
        let last_read = self.last_read();
        self.with_out(|out| put_heartbeat(out.tail(), self.next_id()));
        self.wake_writer().notify_one();
        self.shared.env.sleep(ACK_WITHIN).await;
        self.last_read() != last_read
    }
}

/// A connection that lasted this long was of use.
const OF_USE: Duration = Duration::from_secs(1);
/// Silence after which a heartbeat is sent (Java: `bolt.tcp.heartbeat.interval`).
const HEARTBEAT_AFTER: Duration = Duration::from_secs(15);
/// Silence in which a call that expires casts doubt on its connection: longer than a pause of a busy process or a few
/// lost packets take, and of the order of an election, which must not wait for three heartbeats.
const DOUBT_AFTER: Duration = Duration::from_secs(3);
/// How soon its ack must come.
const ACK_WITHIN: Duration = Duration::from_secs(1);
/// So many missing acks end the connection (Java: `bolt.tcp.heartbeat.maxtimes`).
const MAX_MISSES: u32 = 3;
/// Sleep without calls.
const LONG: Duration = Duration::from_secs(3600);
