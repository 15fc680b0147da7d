//! The client library of the counter (`CounterClient`): finds the leader, repeats without adding twice.

pub mod commands;
mod outcome;
mod route;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use jraft_core::rpc::{RpcError, UserMessage};
use jraft_core::{Endpoint, GroupId, PeerId};

use crate::counter::{Add, Answer, Audit, ClientId, Command, Stats};
use crate::real_time::{self, Instant};

pub use outcome::{Acked, Ending, NotAcked};
pub use route::Route;
pub use transport::Transport;

/// One client of the group, which does one thing at a time. Many at once are many clients.
pub struct CounterClient {
    transport: Arc<dyn Transport>,
    group: GroupId,
    route: Route,
    limit: Duration,
    session: Option<Session>,
    added_as: Option<ClientId>,
}

/// A name under which the group remembers what was added.
#[derive(Clone, Copy, Debug)]
struct Session {
    client: ClientId,
    /// The number of the last addition that was acknowledged.
    acked: u64,
}

impl CounterClient {
    /// A client of `group` that repeats each request until `limit` has passed.
    pub fn new(
        transport: Arc<dyn Transport>,
        group: GroupId,
        route: Route,
        limit: Duration,
    ) -> Self {
        Self { transport, group, route, limit, session: None, added_as: None }
    }

    /// The name under which the last addition was sent. After an ending that is not known it takes a new one.
    pub const fn added_as(&self) -> Option<ClientId> {
        self.added_as
    }

    /// The value: at least as new as any that was acknowledged to anybody before the call.
    pub async fn get(&mut self) -> Ending<i64> {
        let deadline = self.deadline();
        self.send(Command::Get, deadline).await.map(value)
    }

    /// The value, and what `client` has added.
    pub async fn audit(&mut self, client: ClientId) -> Ending<Audit> {
        let deadline = self.deadline();
        self.send(Command::Audit(client), deadline).await.map(|answer| match answer {
            Answer::Audit(audit) => Ok(audit),
            other => Err(format!("the answer is {other:?}, not an audit")),
        })
    }

    /// Adds `delta`, once, however often it has to be sent. Answers the value afterwards.
    pub async fn add(&mut self, delta: i64) -> Ending<i64> {
        let deadline = self.deadline();
        loop {
            // Taken out, and put back when the ending is known: if this future is dropped before, the next addition
            // goes under a new name and cannot be taken for a repetition of this one.
            let session = match self.session.take() {
                Some(session) => session,
                None => match self.open(deadline).await {
                    Ok(session) => session,
                    // Nothing was added yet, whatever became of the name.
                    Err(NotAcked::Refused(why) | NotAcked::Unknown(why)) => {
                        return Ending::Refused(why);
                    }
                },
            };
            self.added_as = Some(session.client);
            let sequence = session.acked + 1;
            let add = Command::Add(Add { client: session.client, sequence, delta });
            let ending = self.send(add, deadline).await;
            match &ending {
                // Forgotten, since many others have added meanwhile.
                Ending::Acked(Acked { value: Answer::NoSession, .. }) => continue,
                Ending::Acked(_) => self.session = Some(Session { acked: sequence, ..session }),
                Ending::Refused(_) => self.session = Some(session),
                Ending::Unknown(_) => {}
            }
            return ending.map(value);
        }
    }

    /// The state of the node at `at`, as it sees itself.
    pub async fn stats(&self, at: &Endpoint) -> Result<Stats, String> {
        let limit = ATTEMPT_LIMIT.min(self.limit);
        let answer = (self.transport.invoke(at.clone(), Stats::request(), limit).await)
            .map_err(|error| error.to_string())?;
        let stats = Stats::decode(&answer.body).map_err(|error| error.to_string())?;
        if stats.group != self.group.as_str() {
            return Err(format!("{at} is of group {}, not {}", stats.group, self.group));
        }
        Ok(stats)
    }

    /// The members of the group, as the client was told.
    pub fn members(&self) -> &[Endpoint] {
        self.route.members()
    }

    /// Makes a new name known to the group.
    async fn open(&mut self, deadline: Instant) -> Result<Session, NotAcked> {
        let welcome = self.send(Command::Hello, deadline).await.map(|answer| match answer {
            Answer::Welcome(client) => Ok(Session { client, acked: 0 }),
            other => Err(format!("the answer is {other:?}, not a welcome")),
        });
        welcome.acked().map(|acked| acked.value)
    }

    /// Asks until somebody settles it or the time is over. Once an attempt may have reached the log, only an
    /// acknowledgement ends the doubt: that a later attempt was refused says nothing about the earlier one.
    async fn send(&mut self, command: Command, deadline: Instant) -> Ending<Answer> {
        let request = command.to_request(&self.group);
        let mut doubt = None;
        let mut last = "the time was over before anybody could be asked".to_owned();
        loop {
            let left = deadline.saturating_duration_since(real_time::now());
            if left.is_zero() {
                break;
            }
            let to = self.route.target().clone();
            let limit = left.min(ATTEMPT_LIMIT);
            let reply = self.transport.invoke(to.clone(), request.clone(), limit).await;
            let wait = match Heard::from(reply) {
                Heard::Settled(Answer::NoSession) if doubt.is_some() => {
                    return Ending::Unknown("the group has forgotten this client".to_owned());
                }
                Heard::Settled(value) => {
                    self.route.answered();
                    return Ending::Acked(Acked { value, by: to });
                }
                Heard::Refused(why) if doubt.is_some() => return Ending::Unknown(why),
                Heard::Refused(why) => return Ending::Refused(why),
                Heard::NotLeader(leader) => {
                    last = not_leader(&to, leader.as_ref());
                    self.route.redirected(leader.as_ref())
                }
                Heard::Busy(why) => {
                    last = why;
                    self.route.busy()
                }
                Heard::NotSent(why) => {
                    last = why;
                    self.route.failed()
                }
                Heard::Doubt(why) => {
                    doubt = Some(why);
                    self.route.failed()
                }
            };
            if self.route.is_pinned() {
                break;
            }
            real_time::sleep(wait.min(left)).await;
        }
        doubt.map_or(Ending::Refused(last), Ending::Unknown)
    }

    fn deadline(&self) -> Instant {
        real_time::now() + self.limit
    }
}

impl std::fmt::Debug for CounterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, route, session, .. } = self;
        write!(f, "CounterClient({group}, {route:?}, {session:?})")
    }
}

/// What one attempt has brought.
enum Heard {
    Settled(Answer),
    Refused(String),
    NotLeader(Option<PeerId>),
    Busy(String),
    NotSent(String),
    Doubt(String),
}

impl From<Result<UserMessage, RpcError>> for Heard {
    fn from(reply: Result<UserMessage, RpcError>) -> Self {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if error.is_not_sent() => return Self::NotSent(error.to_string()),
            Err(error) => return Self::Doubt(error.to_string()),
        };
        match Answer::decode(&reply.body) {
            Ok(
                answer @ (Answer::Value(_)
                | Answer::Audit(_)
                | Answer::Welcome(_)
                | Answer::NoSession),
            ) => Self::Settled(answer),
            Ok(Answer::NotLeader(leader)) => Self::NotLeader(leader),
            Ok(Answer::Busy(why)) => Self::Busy(why),
            Ok(Answer::Refused(why)) => Self::Refused(why),
            Ok(Answer::Unknown(why)) => Self::Doubt(why),
            Err(error) => Self::Doubt(error.to_string()),
        }
    }
}

fn not_leader(asked: &Endpoint, leader: Option<&PeerId>) -> String {
    match leader {
        Some(leader) => format!("{asked} does not lead; the leader is {leader}"),
        None => format!("{asked} does not lead, and knows no leader"),
    }
}

fn value(answer: Answer) -> Result<i64, String> {
    match answer {
        Answer::Value(value) => Ok(value),
        other => Err(format!("the answer is {other:?}, not a value")),
    }
}

/// How long one node may take before the next one is asked: longer than a disk that is merely slow.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
