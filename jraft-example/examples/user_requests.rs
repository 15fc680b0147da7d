//! Requests of the application on the port of the node.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use jraft_core::rpc::{Replier, UserMessage, UserProcessor, UserRequest};
use jraft_core::{
    ApplyError, Endpoint, Entries, Node, Outcome, RaftGroupService, Rejected, Runtime,
    StateMachine, Task,
};

struct Add(Node);

impl UserProcessor for Add {
    fn request_name(&self) -> &str {
        "demo.Add"
    }

    // Full control: runs on the loop, so it only queues; the closure answers.
    fn handle(&self, request: UserRequest, reply: Replier) {
        let task = Task::new(request.body).done(move |outcome| {
            reply.answer(match outcome {
                Outcome::Committed(mut c) => {
                    Ok(value(c.reply.take::<i64>().expect("Counter replies with an i64")))
                }
                other => Err(other.status().clone()),
            });
        });
        self.0.apply(task).unwrap_or_else(Rejected::refuse);
    }
}

struct Counter(i64);

impl StateMachine for Counter {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            self.0 += i64::from(entry.data().first().copied().unwrap_or_default());
            entry.reply(self.0);
        }
        Ok(())
    }
}

fn value(value: i64) -> UserMessage {
    UserMessage::new("demo.Value", value.to_be_bytes().to_vec())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let me = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let data = std::env::args().nth(2).unwrap_or_else(|| "data".to_owned());
    let runtime = Runtime::new()?;
    let service = RaftGroupService::builder("counter", me.as_str())
        .initial_conf(me.as_str())
        .runtime(&runtime)
        .data_dir(data)
        .user_processor(|node| Add(node.clone()))
        // Short form: a future per request, polled on the loop.
        .on_request("demo.AddTwice", |node, request| async move {
            node.propose::<i64>(request.body.clone()).await?;
            Ok(value(node.propose(request.body).await?))
        })
        .start(Counter(0))
        .await?;
    service.node().watch().until(|status| status.leader.is_some()).await;
    let (to, limit): (Endpoint, _) = (me.parse()?, Duration::from_secs(5));
    for name in ["demo.Add", "demo.AddTwice"] {
        let request = UserMessage::new(name, vec![5u8]);
        let answer = runtime.user_client().invoke(&to, request, limit).await?;
        println!("{name}: {}", i64::from_be_bytes(answer.body[..].try_into()?));
    }
    service.shutdown().await;
    Ok(())
}
