//! Answers the counter's requests on the port of the node (`CounterServiceImpl`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jraft_core::rpc::{Replier, UserProcessor, UserRequest};
use jraft_core::{Node, Outcome, RaftError, Rejected, Status, Task};

use super::messages::{Answer, Command, STATS, Stats};

/// Takes one kind of [`Command`] in and proposes it.
#[derive(Debug)]
pub struct CommandProcessor {
    node: Node,
    name: &'static str,
}

impl CommandProcessor {
    /// Answers requests of this name.
    pub const fn new(node: Node, name: &'static str) -> Self {
        Self { node, name }
    }
}

impl UserProcessor for CommandProcessor {
    fn request_name(&self) -> &str {
        self.name
    }

    /// Runs on the loop: it only queues. The closure answers, on the lane of the state machine.
    fn handle(&self, request: UserRequest, reply: Replier) {
        let payload = match Command::from_request(&request.body) {
            Ok((group, command, payload))
                if command.request_name() == self.name && group == self.node.group().as_str() =>
            {
                payload
            }
            other => {
                return reply.answer(Ok(self.refusal(other.map(|(group, ..)| group)).to_message()));
            }
        };
        let node = self.node.clone();
        let task = Task::new(payload)
            .done(move |outcome| reply.answer(Ok(answer_of(outcome, &node).to_message())));
        self.node.apply(task).unwrap_or_else(Rejected::refuse);
    }
}

impl CommandProcessor {
    fn refusal(&self, request: Result<&str, impl fmt::Display>) -> Answer {
        Answer::Refused(match request {
            Err(error) => error.to_string(),
            Ok(group) if group != self.node.group().as_str() => {
                format!("{} is of group {}, not {group}", self.node.id(), self.node.group())
            }
            Ok(_) => format!("the command is none of {}", self.name),
        })
    }
}

/// The three endings of a task as an answer. What was refused was certainly not written.
fn answer_of(outcome: Outcome, node: &Node) -> Answer {
    match outcome {
        Outcome::Committed(mut committed) => (committed.reply.take())
            .unwrap_or_else(|| Answer::Unknown("applied, without an answer".to_owned())),
        Outcome::Refused(status) => refused(&status, node),
        Outcome::Unknown(status) => Answer::Unknown(status.to_string()),
    }
}

fn refused(status: &Status, node: &Node) -> Answer {
    match status.error() {
        RaftError::EPERM => match node.leader() {
            Some(leader) if leader == *node.id() => Answer::Busy(status.to_string()),
            leader => Answer::NotLeader(leader),
        },
        RaftError::EBUSY => Answer::Busy(status.to_string()),
        RaftError::EINVAL => Answer::Refused(status.to_string()),
        // This node is going down or has failed; another one may lead.
        _ => Answer::NotLeader(None),
    }
}

/// Answers requests for [`Stats`].
#[derive(Debug)]
pub struct StatsProcessor {
    node: Node,
    value: Arc<AtomicI64>,
}

impl StatsProcessor {
    /// Shows `node`, and the value that its state machine publishes.
    pub const fn new(node: Node, value: Arc<AtomicI64>) -> Self {
        Self { node, value }
    }

    fn stats(&self) -> Stats {
        let status = self.node.status();
        Stats {
            group: status.group.to_string(),
            role: status.role.to_string(),
            term: status.term.0,
            leader: status.leader,
            committed: status.committed.0,
            applied: status.applied.0,
            value: self.value.load(Ordering::Relaxed),
            fsyncs: self.node.fsyncs(),
        }
    }
}

impl UserProcessor for StatsProcessor {
    fn request_name(&self) -> &str {
        STATS
    }

    fn handle(&self, _request: UserRequest, reply: Replier) {
        reply.answer(Ok(self.stats().to_message()));
    }
}
