//! `who-leads GROUP PEERS`: asks each peer, over bolt, and prints the leader that a majority names.

#![allow(clippy::print_stdout, reason = "the answer of a command")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jraft_core::message::{GetLeaderRequest, RaftRequest, RaftResponse};
use jraft_core::rpc::RaftRpcFactory as _;
use jraft_core::{Configuration, GroupId, PeerId, Runtime, block_on};
use jraft_rpc::BoltRpcFactory;
use jraft_rpc::io::TcpNet;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [group, peers] = &args[..] else {
        println!("usage: who-leads GROUP PEERS");
        return ExitCode::from(2);
    };
    match ask(group, peers) {
        Ok(Some(leader)) => println!("{leader}"),
        Ok(None) => return ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn ask(group: &str, peers: &str) -> Result<Option<PeerId>, Box<dyn std::error::Error>> {
    let group: GroupId = group.parse()?;
    let peers: Configuration = peers.parse()?;
    let runtime = Runtime::new()?;
    let factory = BoltRpcFactory::new(runtime.env(), Arc::new(TcpNet), Default::default());
    let client = factory.client();
    let mut votes = BTreeMap::<PeerId, usize>::new();
    for peer in peers.peers() {
        let request = GetLeaderRequest { group: group.clone(), peer: Some(peer.clone()) };
        let request = RaftRequest::GetLeader(request);
        let answer = client.call(peer.endpoint(), request, Duration::from_millis(500));
        if let Ok(RaftResponse::GetLeader(leader)) = block_on(answer) {
            *votes.entry(leader).or_default() += 1;
        }
    }
    let quorum = peers.quorum();
    Ok(votes.into_iter().find(|&(_, votes)| votes >= quorum).map(|(leader, _)| leader))
}
