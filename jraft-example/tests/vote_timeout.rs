//! `--set step_down_when_vote_timedout=false` changes what a server does, and not only what it prints.
#![allow(clippy::unwrap_used, reason = "a test may panic, in helpers as well")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use jraft_core::env::BoxFuture;
use jraft_core::message::{RaftRequest, RaftResponse, RequestVoteResponse};
use jraft_core::rpc::{
    Listening, RaftClientService, RaftRpcFactory, RaftServerService, RpcError, UserMessage,
    UserProcessors,
};
use jraft_core::{Endpoint, NodeOptions, Runtime, Term};
use jraft_example::counter::CounterMachine;
use jraft_example::real_time;
use jraft_example::server::{self, ServerArgs};

/// The command line of `counter-server`.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// A network whose other members say that an election could be won, and then vote for nobody.
#[derive(Default)]
struct Tease {
    asked: Mutex<Vec<Asked>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Whether,
    ToVote(Term),
}

struct Factory(Arc<Tease>);

impl RaftRpcFactory for Factory {
    fn client(&self) -> Arc<dyn RaftClientService> {
        Arc::clone(&self.0) as _
    }

    fn listen(
        &self,
        at: &Endpoint,
        _raft: Arc<dyn RaftServerService>,
        _user: Arc<dyn UserProcessors>,
    ) -> BoxFuture<'static, Result<Box<dyn Listening>, RpcError>> {
        let port: Box<dyn Listening> = Box::new(Port(at.clone()));
        Box::pin(async { Ok(port) })
    }
}

struct Port(Endpoint);

impl Listening for Port {
    fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl RaftClientService for Tease {
    fn call(
        &self,
        to: &Endpoint,
        request: RaftRequest,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<RaftResponse, RpcError>> {
        let answer = match request {
            RaftRequest::RequestVote(vote) => {
                let what = if vote.pre_vote { Asked::Whether } else { Asked::ToVote(vote.term) };
                let mut asked = self.asked.lock().unwrap();
                // Both others are asked the same; one of them is enough to know it.
                if to.port() == 2 {
                    asked.push(what);
                }
                let own = if vote.pre_vote { vote.term.0 - 1 } else { vote.term.0 };
                let (term, granted) = (Term(own), vote.pre_vote);
                Ok(RaftResponse::RequestVote(RequestVoteResponse { term, granted }))
            }
            RaftRequest::Ping => Ok(RaftResponse::Ping),
            _ => Err(RpcError::NotConnected { to: to.clone(), why: "never".to_owned() }),
        };
        Box::pin(async { answer })
    }

    fn invoke(
        &self,
        to: &Endpoint,
        _request: UserMessage,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<UserMessage, RpcError>> {
        let error = RpcError::NotConnected { to: to.clone(), why: "never".to_owned() };
        Box::pin(async { Err(error) })
    }

    fn is_connected(&self, _to: &Endpoint) -> bool {
        true
    }
}

/// What a server asks for, from its start until it has asked for three votes.
async fn asked_by_a_server(set: &[&str]) -> Vec<Asked> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let line = [&["counter-server", data, "counter", "a:1", "a:1,b:2,c:3"], set].concat();
    let args = Args::parse_from(line).server;
    let options = args.settings.apply_to(NodeOptions::default()).unwrap();
    let (runtime, machine) = (Runtime::new().unwrap(), CounterMachine::default());
    let tease = Arc::new(Tease::default());
    let builder = server::builder(&args, options, &runtime, &machine);
    let service = builder.rpc(Arc::new(Factory(Arc::clone(&tease)))).start(machine).await.unwrap();
    let votes = |asked: &[Asked]| asked.iter().filter(|asked| **asked != Asked::Whether).count();
    for _ in 0..1000 {
        if votes(&tease.asked.lock().unwrap()) >= 3 {
            break;
        }
        real_time::sleep(Duration::from_millis(10)).await;
    }
    service.shutdown().await;
    let asked = tease.asked.lock().unwrap().clone();
    assert!(votes(&asked) >= 3, "{asked:?}");
    asked
}

const QUICK: [&str; 4] = ["--set", "election_timeout_ms=100", "--set", "max_election_delay_ms=50"];

#[tokio::test]
async fn by_default_a_lost_vote_leads_back_to_asking_whether() {
    let asked = asked_by_a_server(&QUICK).await;
    let in_a_row = asked.windows(2).any(|two| !two.contains(&Asked::Whether));
    assert!(!in_a_row, "{asked:?}");
}

#[tokio::test]
async fn told_not_to_step_down_it_votes_again_at_once_in_the_next_term() {
    let set = [&QUICK[..], &["--set", "step_down_when_vote_timedout=false"]].concat();
    let asked = asked_by_a_server(&set).await;
    let first = asked.iter().position(|asked| *asked != Asked::Whether).unwrap();
    let Asked::ToVote(term) = asked[first] else { unreachable!() };
    let next = [Asked::ToVote(term), Asked::ToVote(term.next()), Asked::ToVote(term.next().next())];
    assert_eq!(asked[first..first + 3], next, "{asked:?}");
}
