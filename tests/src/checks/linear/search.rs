//! The search for an order: take what may come next, remember where one has been, take back what leads nowhere.

use std::collections::BTreeMap;

use super::events::{Bits, Event, Events, Packed};
use super::{Budget, End, Model, OpOf, Verdict, story};

/// Operations of unknown outcome whose calls are equal, by when they were invoked.
///
/// They are interchangeable, so it is enough to take them in this order: if some order takes `n` of them, then the
/// `n` that were invoked first may stand in their places, for of the first `k` that it takes one was invoked no
/// earlier than the `k`th of all. Without this, `n` lost increments would be `2^n` sets that all mean the same.
struct Alike {
    /// Their places in the history.
    operations: Vec<usize>,
    /// How many of them are taken.
    taken: usize,
    /// The number of the first of them in the set of all that are unknown.
    first: usize,
}

/// What may come next.
#[derive(Clone, Copy)]
enum Choice {
    /// One with an answer, by its number among these.
    Answered(usize),
    /// The next one of the kind with this number. It must have been invoked by the time.
    Unknown(usize, u64),
}

/// Where to go on looking for what may come next.
#[derive(Clone, Copy)]
enum Cursor {
    /// From this place in the list of events.
    Answered(usize),
    /// From this kind on, among those invoked by the time.
    Unknown(usize, u64),
}

/// A search, at one point of its way.
pub(super) struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [OpOf<M>],
    /// The places in the history of those with an answer, by when they were invoked.
    answered: Vec<usize>,
    events: Events,
    kinds: Vec<Alike>,
    /// Which of the answered and which of the unknown are taken.
    taken: (Bits, Bits),
    /// Where the search has been: which answered ones were taken, the state, and for each which unknown ones were taken.
    /// Who comes to the same point with the same unknown ones, or with more, can do nothing that cannot be done from
    /// there. Kept whole and not as a hash, or two points that share a hash would hide an order.
    seen: BTreeMap<(Packed, M::State), Vec<Bits>>,
    /// What was taken in this order, and the state before it.
    trail: Vec<(Choice, M::State)>,
    state: M::State,
    /// The longest order so far, and how many of the answered it has left.
    longest: Vec<usize>,
    fewest_left: usize,
    left: usize,
}

impl<'a, M: Model> Search<'a, M> {
    pub(super) fn new(model: &'a M, history: &'a [OpOf<M>]) -> Self {
        let mut spans = Vec::new();
        let mut unknown: BTreeMap<&M::Call, Vec<usize>> = BTreeMap::new();
        for (place, operation) in history.iter().enumerate() {
            match operation.ended {
                End::Answered { at, .. } => spans.push((operation.invoked, at, place)),
                End::Unknown => unknown.entry(&operation.call).or_default().push(place),
                End::Failed => {}
            }
        }
        spans.sort_unstable();
        let answered: Vec<usize> = spans.iter().map(|&(_, _, place)| place).collect();
        let spans: Vec<(u64, u64)> =
            spans.into_iter().map(|(invoked, at, _)| (invoked, at)).collect();
        let (mut kinds, mut first) = (Vec::new(), 0);
        for mut operations in unknown.into_values() {
            operations.sort_by_key(|&place| history[place].invoked);
            let length = operations.len();
            kinds.push(Alike { operations, taken: 0, first });
            first += length;
        }
        let left = answered.len();
        Self {
            model,
            history,
            events: Events::new(&spans),
            kinds,
            taken: (Bits::new(left), Bits::new(first)),
            seen: BTreeMap::new(),
            trail: Vec::new(),
            state: model.initial(),
            longest: Vec::new(),
            fewest_left: left + 1,
            left,
            answered,
        }
    }

    /// The verdict.
    pub(super) fn run(mut self, budget: Budget) -> Verdict {
        let mut steps = 0;
        let mut cursor = Cursor::Answered(self.events.first());
        // Who has no answer may stay out of the order.
        while self.left > 0 {
            let Some(choice) = self.next_choice(&mut cursor) else {
                self.keep_longest();
                let Some(back) = self.take_back() else {
                    return Verdict::Violation {
                        story: story::tell(self.model, self.history, &self.longest),
                    };
                };
                cursor = back;
                continue;
            };
            if steps == budget.steps {
                return Verdict::Inconclusive { steps };
            }
            steps += 1;
            if self.take(choice) {
                cursor = Cursor::Answered(self.events.first());
            }
        }
        Verdict::Linearizable
    }

    /// The next that may come: invoked before the first return, or it would come after one that was over before it
    /// began. Those of unknown outcome come last: most of them are not needed, and those that are can wait until they
    /// are.
    fn next_choice(&self, cursor: &mut Cursor) -> Option<Choice> {
        if let Cursor::Answered(place) = *cursor {
            match self.events.at(place) {
                Event::Call(operation) => {
                    *cursor = Cursor::Answered(self.events.next(place));
                    return Some(Choice::Answered(operation));
                }
                Event::Return(at) => *cursor = Cursor::Unknown(0, at),
            }
        }
        let Cursor::Unknown(from, deadline) = *cursor else { return None };
        let invoked = |kind: &Alike| {
            let next = kind.operations.get(kind.taken);
            next.is_some_and(|&place| self.history[place].invoked <= deadline)
        };
        let kind = from + self.kinds[from..].iter().position(invoked)?;
        *cursor = Cursor::Unknown(kind + 1, deadline);
        Some(Choice::Unknown(kind, deadline))
    }

    /// Goes one operation further, if the model allows it and it leads to where the search has not been.
    fn take(&mut self, choice: Choice) -> bool {
        let history = self.history;
        let operation = &history[self.place_of(choice)];
        let Some(after) = self.step(&self.state, operation) else { return false };
        let unknown = operation.answer().is_none();
        // If it changes nothing, then all that it could do is done by leaving it out.
        if unknown && after == self.state || !self.needs_the_one_before(operation, &after) {
            return false;
        }
        self.flip(choice);
        let been = self.seen.entry((self.taken.0.packed(), after.clone())).or_default();
        if been.iter().any(|fewer| fewer.is_subset(&self.taken.1)) {
            self.flip(choice);
            return false;
        }
        been.push(self.taken.1.clone());
        match choice {
            Choice::Answered(number) => {
                self.events.lift(number);
                self.left -= 1;
            }
            Choice::Unknown(kind, _) => self.kinds[kind].taken += 1,
        }
        self.trail.push((choice, std::mem::replace(&mut self.state, after)));
        true
    }

    /// Whether `operation`, which leads to `after`, could not as well have come without the unknown one right before it
    /// (if there is one), or before that one.
    ///
    /// If it could, nothing is lost by refusing it here: the search takes it from before the unknown one as well, and
    /// that one can still follow where it is needed, since it has no return.
    fn needs_the_one_before(&self, operation: &OpOf<M>, after: &M::State) -> bool {
        let Some((Choice::Unknown(kind, _), before)) = self.trail.last() else { return true };
        let kind = &self.kinds[*kind];
        let unknown = &self.history[kind.operations[kind.taken - 1]];
        let Some(without) = self.step(before, operation) else { return true };
        let changes_places =
            || operation.answer().is_some() && self.step(&without, unknown).as_ref() == Some(after);
        without != *after && !changes_places()
    }

    fn step(&self, state: &M::State, operation: &OpOf<M>) -> Option<M::State> {
        self.model.step(state, &operation.call, operation.answer())
    }

    /// Goes back by one operation. Says where to go on, or nothing at the beginning.
    fn take_back(&mut self) -> Option<Cursor> {
        let (choice, before) = self.trail.pop()?;
        self.state = before;
        let cursor = match choice {
            Choice::Answered(number) => {
                self.events.put_back(number);
                self.left += 1;
                Cursor::Answered(self.events.next(self.events.call_of(number)))
            }
            Choice::Unknown(kind, deadline) => {
                self.kinds[kind].taken -= 1;
                Cursor::Unknown(kind + 1, deadline)
            }
        };
        self.flip(choice);
        Some(cursor)
    }

    /// The place in the history of what is next for `choice`.
    fn place_of(&self, choice: Choice) -> usize {
        match choice {
            Choice::Answered(number) => self.answered[number],
            Choice::Unknown(kind, _) => self.kinds[kind].operations[self.kinds[kind].taken],
        }
    }

    /// Takes the next of `choice` into the set, or the same one out of it.
    fn flip(&mut self, choice: Choice) {
        match choice {
            Choice::Answered(number) => self.taken.0.flip(number),
            Choice::Unknown(kind, _) => {
                self.taken.1.flip(self.kinds[kind].first + self.kinds[kind].taken);
            }
        }
    }

    /// Remembers the order that has come so far, if none has come further.
    fn keep_longest(&mut self) {
        if self.left >= self.fewest_left {
            return;
        }
        self.fewest_left = self.left;
        let mut taken = vec![0; self.kinds.len()];
        self.longest.clear();
        for (choice, _) in &self.trail {
            self.longest.push(match *choice {
                Choice::Answered(number) => self.answered[number],
                Choice::Unknown(kind, _) => {
                    taken[kind] += 1;
                    self.kinds[kind].operations[taken[kind] - 1]
                }
            });
        }
    }
}
