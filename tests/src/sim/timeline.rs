//! The timeline of a run, for a person: one column a node, one line an event.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use jraft_core::message::{AppendKind, RaftRequest, RaftResponse};
use jraft_core::{Inside, LogId, PeerId, Role, Term};
use parking_lot::Mutex;

use super::columns::{self, Line};
use super::hub::Hub;

/// What is kept: the last so many lines.
const LINES: usize = 100_000;

/// What is shown to who does not say how much.
const SHOWN: usize = 400;

struct Lines {
    names: Vec<PeerId>,
    known: Vec<Option<(Role, Term)>>,
    lines: std::collections::VecDeque<Line>,
}

/// Writes nothing unless it is switched on: text costs. Clones share their lines.
#[derive(Clone)]
pub struct Timeline(Option<Arc<Mutex<Lines>>>);

impl Timeline {
    /// A timeline that keeps nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// A timeline of nodes with these names.
    pub fn of(names: &[PeerId]) -> Self {
        let known = vec![None; names.len()];
        let lines = Lines { names: names.to_vec(), known, lines: Default::default() };
        Self(Some(Arc::new(Mutex::new(lines))))
    }

    /// Something that happens to a node, or to the world.
    pub fn note(&self, at: u64, node: Option<usize>, text: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            lines.lock().push(Line { at, node, text: text() });
        }
    }

    /// Where a node writes its log lines: they become lines here.
    pub fn logger(&self, hub: &Arc<Hub>, node: usize) -> slog::Logger {
        match &self.0 {
            None => slog::Logger::root(slog::Discard, slog::o!()),
            Some(lines) => {
                let world = AssertUnwindSafe((Arc::clone(lines), Arc::clone(hub)));
                let drain = Drain { world, node };
                slog::Logger::root(drain, slog::o!())
            }
        }
    }

    pub(super) fn role(&self, at: u64, node: usize, inside: &Inside<'_>) {
        let Some(lines) = &self.0 else { return };
        let mut lines = lines.lock();
        let now = (inside.role(), inside.term());
        if lines.known[node].replace(now) != Some(now) {
            let text = format!("= {} t{}", now.0.to_string().to_uppercase(), now.1);
            lines.push(Line { at, node: Some(node), text });
        }
    }

    pub(super) fn sends(&self, at: u64, node: usize, request: &RaftRequest) {
        self.note(at, Some(node), || format!("-> {}", tell_request(request)));
    }

    pub(super) fn answers(
        &self,
        at: u64,
        node: usize,
        request: &RaftRequest,
        answer: &RaftResponse,
    ) {
        self.note(at, Some(node), || tell_answer(request, answer));
    }

    /// The last lines, in columns.
    pub fn show(&self, last: usize) -> String {
        let Some(lines) = &self.0 else { return String::new() };
        let lines = lines.lock();
        let name = |(node, name): (usize, &PeerId)| format!("{node} is {name}");
        let heads: Vec<String> = lines.names.iter().enumerate().map(name).collect();
        let skipped = lines.lines.len().saturating_sub(last);
        columns::table(&heads, lines.lines.iter().skip(skipped))
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show(SHOWN))
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.as_ref().map_or(0, |lines| lines.lock().lines.len());
        write!(f, "Timeline of {lines} lines")
    }
}

impl Lines {
    fn push(&mut self, line: Line) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

struct Drain {
    world: AssertUnwindSafe<(Arc<Mutex<Lines>>, Arc<Hub>)>,
    node: usize,
}

impl slog::Drain for Drain {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        let text = format!("\"{}\"", record.msg());
        let (lines, hub) = &*self.world;
        lines.lock().push(Line { at: hub.now(), node: Some(self.node), text });
        Ok(())
    }
}

/// A request in a few words: `Vote b 3 last 7@2`.
pub fn tell_request(request: &RaftRequest) -> String {
    match request {
        RaftRequest::RequestVote(vote) => {
            let kind = if vote.pre_vote { "PreVote" } else { "Vote" };
            format!("{kind} {} t{} last {}", vote.peer, vote.term, tell_id(vote.last_log))
        }
        RaftRequest::AppendEntries(append) => {
            let kind = match append.kind {
                AppendKind::Heartbeat => "Beat",
                AppendKind::Probe => "Probe",
                AppendKind::Entries => "Append",
            };
            let (count, prev) = (append.entries.len(), tell_id(append.prev));
            let entries = if count > 0 { format!(" +{count}") } else { String::new() };
            let (term, committed) = (append.term, append.committed);
            format!("{kind} {} t{term} {prev}{entries} c{committed}", append.peer)
        }
        RaftRequest::TimeoutNow(now) => format!("TimeoutNow {} t{}", now.peer, now.term),
        other => other.name().to_owned(),
    }
}

/// `7@2`: index and term.
fn tell_id(id: LogId) -> String {
    format!("{}@{}", id.index, id.term)
}

fn tell_answer(request: &RaftRequest, answer: &RaftResponse) -> String {
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    match (request, answer) {
        (RaftRequest::RequestVote(vote), RaftResponse::RequestVote(answer)) => {
            let kind = if vote.pre_vote { "prevote" } else { "vote" };
            format!("{kind} {} for {} t{}", yes(answer.granted), vote.server, answer.term)
        }
        (RaftRequest::AppendEntries(append), RaftResponse::AppendEntries(answer)) => {
            let last = append.entries.entries().last().map_or(append.prev.index, |e| e.id.index);
            format!("{} to {} t{} upto {last}", yes(answer.success), append.server, answer.term)
        }
        _ => "answers".to_owned(),
    }
}
