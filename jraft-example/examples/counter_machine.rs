//! The full trait, a future and a closure. Start it for each member, `counter_machine ME PEERS DATA_DIR`; whoever does not
//! lead says so and ends. A group of one is a group, too.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env::args;

use jraft_core::{
    ApplyError, Entries, Outcome, RaftGroupService, StateMachine, Status, Task, Term,
};

#[derive(Default)]
struct Counter {
    total: i64,
}

impl StateMachine for Counter {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            // A command of another length stops this node.
            self.total += i64::from_be_bytes(entry.data()[..].try_into()?);
            entry.reply(self.total);
        }
        Ok(())
    }

    fn on_leader_start(&mut self, term: Term) {
        println!("leader of term {term}");
    }

    fn on_leader_stop(&mut self, why: &Status) {
        println!("no longer leader: {why}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, me, peers, data] = args().collect::<Vec<_>>().try_into().expect("ME PEERS DATA_DIR");
    let service = RaftGroupService::builder("counter", me)
        .initial_conf(peers)
        .data_dir(data)
        .start(Counter::default())
        .await?;
    let node = service.node();
    node.watch().until(|status| status.leader.is_some()).await;
    let total: i64 = node.propose(5i64.to_be_bytes().to_vec()).await?; // a future, queued when it is made
    println!("{total}");
    // The reference's way: a closure.
    node.apply(Task::new(7i64.to_be_bytes().to_vec()).done(|outcome| match outcome {
        Outcome::Committed(mut c) => println!("{:?} at {:?}", c.reply.take::<i64>(), c.id),
        Outcome::Refused(status) => println!("certainly not written: {status}"),
        Outcome::Unknown(status) => println!("may have been written: {status}"),
    }))?;
    println!("stopped: {}", service.stopped().await);
    Ok(())
}
