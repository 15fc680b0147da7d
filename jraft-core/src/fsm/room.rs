//! `FsmRoom`: the lane of a state machine. The reference's `FSMCallerImpl`.
//!
//! Everything that the application hears comes from here, in one order: batches, leader changes, outcomes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jraft_spi::storage::{LogReader, ReadLimit};
use jraft_spi::{ConfigurationEntry, EntryType, LogEntry, LogIndex, RaftError, Status, sim_point};

use super::entries::{Entries, Slot};
use super::machine::StateMachine;
use super::queue::{ApplyRange, FsmCommand, FsmNotice, FsmQueue, WhenApplied};
use crate::closure::{AcceptedTask, Committed, Done, Outcome, Reply};
use crate::sync::panic_text;

/// How much of the log is read from the disk at once.
const READ: ReadLimit = ReadLimit { entries: 1024, bytes: 1 << 20 };

/// What the lane tells its node. Called on the lane.
pub(crate) trait FsmHost: Send + Sync {
    /// Everything up to `index` is applied.
    fn applied(&self, index: LogIndex);
    /// The state machine cannot go on.
    fn failed(&self, status: &Status);
    /// Whether the node is on its way down: what is left to be read and applied is left to its next life.
    fn ends(&self) -> bool;
    /// The lane has caught up with endings: more may come.
    fn has_room(&self);
    /// Something is worth a line in the log.
    fn warn(&self, text: &str);
}

/// The owner of a state machine.
pub(crate) struct FsmRoom {
    pub(crate) machine: Box<dyn StateMachine>,
    pub(crate) host: Arc<dyn FsmHost>,
    pub(crate) queue: Arc<FsmQueue>,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) applied: LogIndex,
    pub(crate) error: Option<Status>,
    pub(crate) waiting: BTreeMap<LogIndex, Vec<WhenApplied>>,
    /// Whether it came to its end.
    pub(crate) ended: bool,
}

/// Those who wait for entries, in the order of the entries.
struct Waiters(
    std::vec::IntoIter<(LogIndex, Vec<AcceptedTask>)>,
    LogIndex,
    std::vec::IntoIter<AcceptedTask>,
);

impl Waiters {
    fn new(tasks: Vec<(LogIndex, Vec<AcceptedTask>)>) -> Self {
        Self(tasks.into_iter(), LogIndex::ZERO, Vec::new().into_iter())
    }

    /// Who waits for the entry at `index`. Asked with rising indexes.
    fn at(&mut self, index: LogIndex) -> Option<AcceptedTask> {
        if self.2.len() == 0 {
            let (first, tasks) = self.0.next()?;
            (self.1, self.2) = (first, tasks.into_iter());
        }
        if index < self.1 {
            return None;
        }
        self.1 = self.1.next();
        self.2.next()
    }

    fn rest(self) -> impl Iterator<Item = AcceptedTask> {
        self.2.chain(self.0.flat_map(|(_, tasks)| tasks))
    }
}

impl FsmRoom {
    /// Runs until the queue is closed.
    pub(crate) async fn run(mut self) {
        let (queue, mut commands) = (Arc::clone(&self.queue), Vec::new());
        while queue.take(&mut commands).await {
            for command in commands.drain(..) {
                self.carry_out(command).await;
            }
        }
        self.ended = true;
    }

    async fn carry_out(&mut self, command: FsmCommand) {
        match command {
            FsmCommand::Apply(range) => self.apply(range).await,
            FsmCommand::Notice(notice) => self.notice(&notice),
            FsmCommand::End(done, outcome) => {
                self.end(done, outcome);
                if self.queue.one_ended() {
                    self.host.has_room();
                }
            }
            FsmCommand::Dropped(ending, outcome) => self.guard(|| ending.run(outcome)),
            FsmCommand::WhenApplied(index, call) => self.when_applied(index, call),
            FsmCommand::Shutdown(done) => {
                self.shut_down();
                // Nobody waits: then nobody needs to know.
                let _ = done.send(());
            }
        }
    }

    async fn apply(&mut self, range: ApplyRange) {
        let mut waiters = Waiters::new(range.tasks);
        if self.error.is_none()
            && let Err(status) = self.apply_all(range.from_disk, &range.slices, &mut waiters).await
        {
            if self.host.ends() {
                self.error = Some(status);
            } else {
                self.fail(status);
            }
        }
        if let Some(status) = self.error.clone() {
            waiters.rest().filter_map(|task| task.done).for_each(|done| {
                self.end(done, Outcome::Unknown(status.clone()));
            });
        } else {
            assert_eq!(self.applied, range.upto, "everything committed is applied");
        }
        self.release_waiting();
    }

    async fn apply_all(
        &mut self,
        from_disk: Option<(LogIndex, LogIndex)>,
        slices: &[crate::log::EntrySlice],
        waiters: &mut Waiters,
    ) -> Result<(), Status> {
        if let Some((mut next, last)) = from_disk {
            let mut entries = Vec::new();
            while next <= last {
                if self.host.ends() {
                    return Err(shut_down());
                }
                entries.clear();
                self.read(next, &mut entries)?;
                entries.retain(|entry| entry.id.index <= last);
                self.apply_entries(&entries, waiters)?;
                next = self.applied.next();
                // Inline, the loop has more to do than to replay a whole log.
                tokio::task::yield_now().await;
            }
        }
        slices.iter().try_for_each(|slice| self.apply_entries(slice.entries(), waiters))
    }

    fn read(&self, from: LogIndex, entries: &mut Vec<LogEntry>) -> Result<(), Status> {
        let io = |text: String| Status::new(RaftError::EIO, text);
        self.reader.read(from, READ, entries).map_err(|error| io(error.to_string()))?;
        match entries.first() {
            Some(first) if first.id.index == from => Ok(()),
            _ => Err(io(format!("Corrupted entry at index={from}, not found"))),
        }
    }

    /// Applies runs of user data as batches, and takes note of everything else.
    fn apply_entries(&mut self, entries: &[LogEntry], waiters: &mut Waiters) -> Result<(), Status> {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            assert_eq!(first.id.index, self.applied.next(), "entries are applied in order");
            if first.kind != EntryType::Data {
                self.take_note(first);
                self.publish(first.id.index);
                rest = &rest[1..];
                continue;
            }
            let is_data = |entry: &&LogEntry| entry.kind == EntryType::Data;
            let (run, after) = rest.split_at(rest.iter().take_while(is_data).count());
            self.apply_run(run, waiters)?;
            rest = after;
        }
        Ok(())
    }

    fn take_note(&mut self, entry: &LogEntry) {
        let Some(conf) = ConfigurationEntry::from_entry(entry) else { return };
        if conf.is_stable() {
            let machine = &mut self.machine;
            let told = catch_unwind(AssertUnwindSafe(|| {
                machine.on_configuration_committed(&conf.conf, conf.id);
            }));
            self.survived(told, "on_configuration_committed");
        }
    }

    fn apply_run(&mut self, run: &[LogEntry], waiters: &mut Waiters) -> Result<(), Status> {
        let mut slots: Vec<Slot> = run
            .iter()
            .map(|entry| Slot { task: waiters.at(entry.id.index), reply: None })
            .collect();
        let host = Arc::clone(&self.host);
        let before = self.applied;
        let mut published = before;
        let mut publish = |index: LogIndex| {
            published = published.max(index);
            host.applied(index);
        };
        let mut entries = Entries::new(run, &mut slots, &mut publish);
        let machine = &mut self.machine;
        sim_point!("before batch");
        let result = catch_unwind(AssertUnwindSafe(|| machine.on_apply(&mut entries)));
        sim_point!("after batch");
        let (handed_out, left) = (entries.handed_out(), entries.len());
        let handed_out = handed_out.map_or(before, |id| id.index);
        let failure = match result {
            Ok(Ok(())) if left == 0 => None,
            Ok(Ok(())) => Some((0, format!("on_apply returned with {left} entries left"))),
            Ok(Err(error)) => Some((error.rolled_back(), error.to_string())),
            Err(panic) => Some((1, format!("StateMachine threw: {}", panic_text(&*panic)))),
        };
        let applied = failure.as_ref().map_or(handed_out, |(rolled_back, _)| {
            LogIndex(handed_out.0.saturating_sub(*rolled_back as u64)).max(published)
        });
        self.publish(applied);
        let status = failure.map(|(_, text)| state_machine_failed(applied.next(), &text));
        self.end_run(run, slots, applied, status.as_ref());
        status.map_or(Ok(()), Err)
    }

    /// Tells whoever waits for the entries of a batch.
    fn end_run(
        &self,
        run: &[LogEntry],
        slots: Vec<Slot>,
        applied: LogIndex,
        error: Option<&Status>,
    ) {
        for (entry, slot) in run.iter().zip(slots) {
            let Some(done) = slot.task.and_then(|task| task.done) else { continue };
            let outcome = match error.filter(|_| entry.id.index > applied) {
                Some(status) => Outcome::Unknown(status.clone()),
                None => {
                    Outcome::Committed(Committed { id: entry.id, reply: Reply::new(slot.reply) })
                }
            };
            self.end(done, outcome);
        }
    }

    fn publish(&mut self, index: LogIndex) {
        self.applied = index;
        self.host.applied(index);
        sim_point!("applied published");
    }

    fn end(&self, done: Done, outcome: Outcome) {
        sim_point!("before closure");
        self.guard(|| done.run(outcome));
    }

    /// A panic in a closure of the user is the user's: logged, and nobody else suffers.
    fn guard(&self, call: impl FnOnce()) {
        let result = catch_unwind(AssertUnwindSafe(call));
        self.survived(result, "a closure");
    }

    fn survived(&self, result: std::thread::Result<()>, what: &str) {
        if let Err(panic) = result {
            self.host.warn(&format!("{what} panicked: {}", panic_text(&*panic)));
        }
    }

    fn notice(&mut self, notice: &FsmNotice) {
        if let FsmNotice::Error(status) = notice {
            self.error.get_or_insert_with(|| status.clone());
            self.release_waiting();
        }
        if matches!(notice, FsmNotice::LeaderStart(_)) && self.error.is_some() {
            // It is promised that everything committed before is applied, and that is not so.
            return;
        }
        let machine = &mut self.machine;
        let told = catch_unwind(AssertUnwindSafe(|| match notice {
            FsmNotice::LeaderStart(term) => machine.on_leader_start(*term),
            FsmNotice::LeaderStop(why) => machine.on_leader_stop(why),
            FsmNotice::StartFollowing(change) => machine.on_start_following(change),
            FsmNotice::StopFollowing(change) => machine.on_stop_following(change),
            FsmNotice::Error(why) => machine.on_error(why),
        }));
        self.survived(told, "a notice to the state machine");
    }

    fn fail(&mut self, status: Status) {
        self.host.failed(&status);
        self.error = Some(status);
    }

    fn when_applied(&mut self, index: LogIndex, call: WhenApplied) {
        self.waiting.entry(index).or_default().push(call);
        self.release_waiting();
    }

    fn release_waiting(&mut self) {
        let result = self.error.clone().map_or(Ok(()), Err);
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > self.applied && result.is_ok() {
                return;
            }
            for call in first.remove() {
                sim_point!("before waiter");
                let result = result.clone();
                self.guard(|| call(result));
            }
        }
    }

    fn shut_down(&mut self) {
        self.error.get_or_insert_with(shut_down);
        self.release_waiting();
        let machine = &mut self.machine;
        let told = catch_unwind(AssertUnwindSafe(|| machine.on_shutdown()));
        self.survived(told, "on_shutdown");
    }
}

impl Drop for FsmRoom {
    /// A lane that panicked, in a destructor of the application say, or that never began: the node must not go on without
    /// it, and nobody may wait for it.
    fn drop(&mut self) {
        let given_up = catch_unwind(AssertUnwindSafe(|| self.queue.abandon()));
        self.survived(given_up, "a closure");
        if !self.ended {
            let text = "the thread of the state machine has ended, or never began";
            self.host.failed(&Status::new(RaftError::ESTATEMACHINE, text));
        }
    }
}

fn shut_down() -> Status {
    Status::new(RaftError::ESHUTDOWN, "the node has shut down")
}

fn state_machine_failed(since: LogIndex, text: &str) -> Status {
    let text = format!(
        "StateMachine meet critical error when applying one or more tasks since index={since}, {text}"
    );
    Status::new(RaftError::ESTATEMACHINE, text)
}
