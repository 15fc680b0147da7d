//! A group without sockets: a real state of the counter, and a network that does what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jraft_core::env::BoxFuture;
use jraft_core::rpc::{RpcError, UserMessage};
use jraft_core::{Endpoint, LogIndex};
use jraft_example::client::{CounterClient, Route, Transport};
use jraft_example::counter::{Answer, Command, CounterState};
use jraft_example::real_time;

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Applied and answered.
    Applied,
    /// Applied, and the answer is lost.
    AnswerLost,
    /// Neither applied nor answered in time.
    Silence,
    /// Not even sent.
    NotConnected,
    /// Answered with this, and not applied.
    Says(Answer),
}

/// The network and the group behind it.
pub(crate) struct Fake {
    inside: Mutex<Inside>,
}

type Decide = Box<dyn FnMut(&str, &Command) -> Fate + Send>;

struct Inside {
    state: CounterState,
    last: LogIndex,
    asked: Vec<(String, Command)>,
    decide: Decide,
}

impl Fake {
    /// `decide` is asked for each request, with the node that it goes to.
    pub(crate) fn new(decide: impl FnMut(&str, &Command) -> Fate + Send + 'static) -> Arc<Self> {
        let (state, last) = (CounterState::default(), LogIndex::ZERO);
        let inside = Inside { state, last, asked: Vec::new(), decide: Box::new(decide) };
        Arc::new(Self { inside: Mutex::new(inside) })
    }

    /// Fates in order, then the last one for ever.
    pub(crate) fn script(fates: &[Fate]) -> Arc<Self> {
        let last = fates.last().cloned().unwrap();
        let mut fates = VecDeque::from(fates.to_vec());
        Self::new(move |_, _| fates.pop_front().unwrap_or_else(|| last.clone()))
    }

    pub(crate) fn client(self: &Arc<Self>, limit: Duration) -> CounterClient {
        let route = Route::among(&PEERS.parse().unwrap()).unwrap();
        let transport: Arc<dyn Transport> = Arc::clone(self) as _;
        CounterClient::new(transport, "counter".parse().unwrap(), route, limit)
    }

    pub(crate) fn value(&self) -> i64 {
        self.inside.lock().unwrap().state.value()
    }

    /// Whom the requests went to, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inside.lock().unwrap().asked.iter().map(|(to, _)| to.clone()).collect()
    }

    /// The commands, in order.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.inside.lock().unwrap().asked.iter().map(|(_, command)| *command).collect()
    }

    fn handle(&self, to: &Endpoint, request: &UserMessage) -> Result<Answer, Fate> {
        let (_, command, _) = Command::from_request(&request.body).unwrap();
        let mut inside = self.inside.lock().unwrap();
        inside.asked.push((to.to_string(), command));
        let fate = (inside.decide)(&to.to_string(), &command);
        match fate {
            Fate::Applied | Fate::AnswerLost => {
                inside.last = inside.last.next();
                let last = inside.last;
                let answer = inside.state.apply(last, &command);
                if fate == Fate::Applied { Ok(answer) } else { Err(fate) }
            }
            Fate::Says(answer) => Ok(answer),
            fate => Err(fate),
        }
    }
}

impl Transport for Fake {
    fn invoke(
        &self,
        to: Endpoint,
        request: UserMessage,
        limit: Duration,
    ) -> BoxFuture<'_, Result<UserMessage, RpcError>> {
        Box::pin(async move {
            match self.handle(&to, &request) {
                Ok(answer) => Ok(answer.to_message()),
                Err(Fate::NotConnected) => {
                    Err(RpcError::NotConnected { to, why: "refused".to_owned() })
                }
                Err(Fate::Silence) => {
                    real_time::sleep(limit).await;
                    Err(RpcError::TimedOut { to, after: limit })
                }
                Err(_) => Err(RpcError::Lost { to, why: "reset".to_owned() }),
            }
        })
    }
}

pub(crate) const PEERS: &str = "a:1,b:1,c:1";
