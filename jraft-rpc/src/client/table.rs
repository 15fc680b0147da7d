//! The calls that wait for an answer, by id and by deadline (`InvokeFuture`s of a `Connection`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jraft_spi::Endpoint;
use jraft_spi::env::MonoTime;
use jraft_spi::message::RaftResponse;
use jraft_spi::rpc::{RpcError, UserMessage};
use tokio::sync::oneshot::Sender;

use crate::bolt::ResponseFrame;
use crate::convert::{Expected, ResponseError, decode_response, decode_user_response};

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Waiter {
    Raft(Expected, Sender<Result<RaftResponse, RpcError>>),
    User(Sender<Result<UserMessage, RpcError>>),
}

impl Waiter {
    /// Ends the call. Nobody may be there any more, which is no error.
    pub(super) fn fail(self, error: RpcError) {
        match self {
            Self::Raft(_, to) => drop(to.send(Err(error))),
            Self::User(to) => drop(to.send(Err(error))),
        }
    }

    /// Hands over what arrived.
    pub(super) fn answer(self, from: &Endpoint, frame: &ResponseFrame) {
        let explain = |error| match error {
            ResponseError::Remote(status) => RpcError::Remote(status),
            ResponseError::Unexpected(what) => RpcError::Unexpected { to: from.clone(), what },
        };
        match self {
            Self::Raft(expected, to) => {
                drop(to.send(decode_response(expected, frame).map_err(explain)));
            }
            Self::User(to) => drop(to.send(decode_user_response(frame).map_err(explain))),
        }
    }
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) sent: MonoTime,
    pub(super) timeout: Duration,
    pub(super) waiter: Waiter,
}

impl Call {
    fn deadline(&self) -> MonoTime {
        self.sent + self.timeout
    }
}

/// The open calls of one connection.
#[derive(Debug, Default)]
pub(super) struct Table {
    calls: BTreeMap<i32, Call>,
    deadlines: BTreeSet<(MonoTime, i32)>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn contains(&self, id: i32) -> bool {
        self.calls.contains_key(&id)
    }

    /// Adds a call; tells whether it is the next to expire.
    pub(super) fn insert(
        &mut self,
        id: i32,
        now: MonoTime,
        timeout: Duration,
        waiter: Waiter,
    ) -> bool {
        let call = Call { sent: now, timeout, waiter };
        let deadline = call.deadline();
        let replaced = self.calls.insert(id, call);
        assert!(replaced.is_none(), "the caller picks an id that is free");
        self.deadlines.insert((deadline, id));
        self.deadlines.first() == Some(&(deadline, id))
    }

    /// Takes out the call that an answer belongs to; none if it has expired, or never was.
    pub(super) fn remove(&mut self, id: i32) -> Option<Waiter> {
        let call = self.calls.remove(&id)?;
        self.deadlines.remove(&(call.deadline(), id));
        Some(call.waiter)
    }

    /// When the next call expires.
    pub(super) fn next_deadline(&self) -> Option<MonoTime> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out one call that has expired.
    pub(super) fn expire(&mut self, now: MonoTime) -> Option<Call> {
        let (deadline, id) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop_first();
        self.calls.remove(&id)
    }

    /// Takes out all calls, in the order in which they were made unless ids have wrapped around.
    pub(super) fn drain(&mut self) -> Vec<Waiter> {
        self.deadlines.clear();
        std::mem::take(&mut self.calls).into_values().map(|call| call.waiter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_calls_leave_nothing_behind_and_the_others_expire_in_order() {
        let mut table = Table::default();
        let at = |secs: u64| MonoTime::from_nanos(secs * 1_000_000_000);
        let insert = |table: &mut Table, id, secs| {
            let waiter = Waiter::User(tokio::sync::oneshot::channel().0);
            table.insert(id, at(0), Duration::from_secs(secs), waiter)
        };
        assert!(insert(&mut table, 1, 5));
        assert!(!insert(&mut table, 2, 7));
        assert!(insert(&mut table, -3, 2));
        assert!(table.remove(-3).is_some() && table.remove(-3).is_none());
        assert_eq!(table.next_deadline(), Some(at(5)));
        assert!(table.expire(at(4)).is_none());
        assert_eq!(table.expire(at(9)).map(|call| call.timeout.as_secs()), Some(5));
        assert_eq!(table.len(), 1);
        assert_eq!(table.drain().len(), 1);
        assert_eq!((table.len(), table.next_deadline()), (0, None));
    }
}
