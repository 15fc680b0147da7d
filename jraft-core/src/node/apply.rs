//! Taking tasks into the log of a leader (behaviour.md 10).

use jraft_spi::status::Role;
use jraft_spi::{LogEntry, LogId, RaftError, Status};

use super::effect::Effect;
use super::state::{Effects, NodeState};
use crate::closure::{AcceptedTask, Task};

impl NodeState {
    /// One batch of tasks, in the order in which they were given. They are on their way to the disk and to the peers
    /// at the end of the turn.
    pub(crate) fn on_apply(&mut self, tasks: Vec<Task>, fx: &mut Effects) {
        if let Some(status) = self.refusal() {
            return fx.extend(tasks.into_iter().map(|task| refused(task, status.clone())));
        }
        let first = self.log.last().index.next();
        let (mut index, mut entries, mut accepted) =
            (first, Vec::with_capacity(tasks.len()), Vec::with_capacity(tasks.len()));
        for task in tasks {
            if let Some(expected) = task.expected_term.filter(|&expected| expected != self.term) {
                let text =
                    format!("expected_term={expected} doesn't match current_term={}", self.term);
                let status = Status::new(RaftError::EPERM, text);
                fx.push(refused(task, status));
                continue;
            }
            let entry = LogEntry::data(LogId::new(index, self.term), task.data);
            entries.push(self.with_checksum(entry));
            accepted.push(AcceptedTask { done: task.done, context: task.context });
            index = index.next();
        }
        if !entries.is_empty() {
            self.append_own(entries);
            fx.push(Effect::Accepted { first, tasks: accepted });
        }
    }

    /// Why no task can be taken at the moment.
    fn refusal(&self) -> Option<Status> {
        let (error, text) = match self.role {
            Role::Leader if self.is_log_full() => {
                (RaftError::EBUSY, format!("Node {} log manager is busy.", self.id))
            }
            Role::Leader => return None,
            Role::Transferring => (RaftError::EBUSY, "Is transferring leadership.".to_owned()),
            Role::Shutting | Role::Shutdown => {
                (RaftError::ENODESHUTDOWN, format!("Node {} is shutting down.", self.id))
            }
            _ => (RaftError::EPERM, "Is not leader.".to_owned()),
        };
        Some(Status::new(error, text))
    }
}

/// With its context, whose destructor is somebody else's code and must not run inside a decision.
fn refused(task: Task, status: Status) -> Effect {
    Effect::Refused { task: AcceptedTask { done: task.done, context: task.context }, status }
}
