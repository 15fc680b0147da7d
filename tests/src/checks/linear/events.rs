//! The calls and returns of a history in the order of time, as a list from which operations are lifted and into which
//! they are put back; and the set of those that are lifted.

/// The place of the list's end, which is also its beginning.
const END: usize = 0;

/// What happens at one place of the list. Operations are numbered in the order in which they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Call(usize),
    /// With its time.
    Return(u64),
}

struct Node {
    event: Event,
    previous: usize,
    next: usize,
}

/// A doubly linked list in a vector. Places stay what they are while operations come and go.
pub(super) struct Events {
    nodes: Vec<Node>,
    /// Of each operation, the places of its call and its return.
    places: Vec<(usize, usize)>,
}

impl Events {
    /// Of operations that are known by when they were invoked and when they returned.
    pub(super) fn new(spans: &[(u64, u64)]) -> Self {
        let mut order = Vec::with_capacity(2 * spans.len());
        for (operation, &(invoked, at)) in spans.iter().enumerate() {
            assert!(invoked <= at, "invoked at {invoked}, and answered before that, at {at}");
            // Calls before returns of the same time: nobody knows that the one was over when the other began.
            order.push((invoked, false, operation));
            order.push((at, true, operation));
        }
        order.sort_unstable();
        let length = order.len();
        let mut places = vec![(END, END); spans.len()];
        let mut nodes = vec![Node { event: Event::Return(u64::MAX), previous: length, next: 1 }];
        for (index, (time, is_return, operation)) in order.into_iter().enumerate() {
            let place = index + 1;
            let event = if is_return {
                places[operation].1 = place;
                Event::Return(time)
            } else {
                places[operation].0 = place;
                Event::Call(operation)
            };
            nodes.push(Node { event, previous: index, next: (place + 1) % (length + 1) });
        }
        nodes[END].next %= length + 1;
        Self { nodes, places }
    }

    /// The place of the first event that is left.
    pub(super) fn first(&self) -> usize {
        self.next(END)
    }

    /// The place after `place`.
    pub(super) fn next(&self, place: usize) -> usize {
        self.nodes[place].next
    }

    /// What is at `place`; at the end of the list a return that never comes.
    pub(super) fn at(&self, place: usize) -> Event {
        self.nodes[place].event
    }

    /// The place of the call of `operation`.
    pub(super) fn call_of(&self, operation: usize) -> usize {
        self.places[operation].0
    }

    /// Takes the call and the return of `operation` out of the list.
    pub(super) fn lift(&mut self, operation: usize) {
        let (call, answer) = self.places[operation];
        self.unlink(call);
        self.unlink(answer);
    }

    /// Puts them back, if it is what was lifted last of all that is still lifted.
    pub(super) fn put_back(&mut self, operation: usize) {
        let (call, answer) = self.places[operation];
        self.link(answer);
        self.link(call);
    }

    fn unlink(&mut self, place: usize) {
        let Node { previous, next, .. } = self.nodes[place];
        self.nodes[previous].next = next;
        self.nodes[next].previous = previous;
    }

    fn link(&mut self, place: usize) {
        let Node { previous, next, .. } = self.nodes[place];
        self.nodes[previous].next = place;
        self.nodes[next].previous = place;
    }
}

/// A set of small numbers.
#[derive(Clone)]
pub(super) struct Bits(Vec<u64>);

/// Exactly the set, in few words: how many full words it begins with, and then those up to the last that is not empty.
pub(super) type Packed = (usize, Box<[u64]>);

impl Bits {
    /// For numbers below `length`.
    pub(super) fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    /// Puts `number` in if it is out, and the other way round.
    pub(super) fn flip(&mut self, number: usize) {
        self.0[number / 64] ^= 1 << (number % 64);
    }

    /// Whether all of it is in the other, made for the same numbers.
    pub(super) fn is_subset(&self, of: &Self) -> bool {
        self.0.iter().zip(&of.0).all(|(one, other)| one & !other == 0)
    }

    /// The set as a key. Operations are lifted nearly in order, so all but a few words are full or empty.
    pub(super) fn packed(&self) -> Packed {
        let full = self.0.iter().take_while(|word| **word == u64::MAX).count();
        let end = self.0.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        (full, self.0[full.min(end)..end].into())
    }
}
