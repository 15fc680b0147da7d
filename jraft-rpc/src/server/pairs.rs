//! Keeps the answers to the AppendEntries of one pair of peers in order (`AppendEntriesRequestProcessor`).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

/// The pairs of one connection, by the bytes of the bolt header that names them.
#[derive(Debug)]
pub(super) struct Pairs<T>(BTreeMap<Bytes, Pair<T>>);

#[derive(Debug)]
struct Pair<T> {
    /// Number of the first slot.
    first: u64,
    slots: VecDeque<Option<T>>,
}

/// The place of one answer among those of its pair.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pair: Bytes,
    number: u64,
}

impl<T> Pairs<T> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The place of the answer to a request that has just arrived.
    pub(super) fn take_slot(&mut self, header: &Bytes) -> Slot {
        if let Some(pair) = self.0.get_mut(header) {
            pair.slots.push_back(None);
            let number = pair.first + pair.slots.len() as u64 - 1;
            return Slot { pair: header.clone(), number };
        }
        if self.0.len() >= MAX_IDLE {
            self.0.retain(|_, pair| !pair.slots.is_empty());
        }
        // A copy, so that the name does not keep the whole frame in memory.
        let name = Bytes::copy_from_slice(header);
        self.0.insert(name.clone(), Pair { first: 0, slots: VecDeque::from([None]) });
        Slot { pair: name, number: 0 }
    }

    /// Puts an answer in its place, and hands out those whose turn it now is.
    pub(super) fn fill(&mut self, slot: &Slot, answer: T, mut send: impl FnMut(T)) {
        let Some(pair) = self.0.get_mut(&slot.pair) else { return };
        let place = slot.number.checked_sub(pair.first).and_then(|at| usize::try_from(at).ok());
        let Some(place) = place.and_then(|at| pair.slots.get_mut(at)) else { return };
        *place = Some(answer);
        while let Some(Some(_)) = pair.slots.front() {
            pair.first += 1;
            if let Some(answer) = pair.slots.pop_front().flatten() {
                send(answer);
            }
        }
    }
}

/// Pairs without open requests that are remembered.
const MAX_IDLE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_order_of_arrival() {
        let mut pairs = Pairs::new();
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let slots = [pairs.take_slot(&a), pairs.take_slot(&a), pairs.take_slot(&b)];
        let more = pairs.take_slot(&a);
        let mut sent = Vec::new();
        pairs.fill(&slots[1], 1, |answer| sent.push(answer));
        assert!(sent.is_empty());
        pairs.fill(&slots[2], 2, |answer| sent.push(answer));
        assert_eq!(sent, [2]);
        pairs.fill(&slots[0], 0, |answer| sent.push(answer));
        assert_eq!(sent, [2, 0, 1]);
        pairs.fill(&more, 3, |answer| sent.push(answer));
        assert_eq!(sent, [2, 0, 1, 3]);
    }

    #[test]
    fn forgets_pairs_without_open_requests() {
        let mut pairs = Pairs::new();
        let open = pairs.take_slot(&Bytes::from_static(b"open"));
        for number in 0..10_000_u32 {
            let slot = pairs.take_slot(&Bytes::copy_from_slice(&number.to_be_bytes()));
            pairs.fill(&slot, 0, drop);
        }
        assert!(pairs.0.len() <= MAX_IDLE + 1, "{}", pairs.0.len());
        let mut sent = 0;
        pairs.fill(&open, 7, |answer| sent = answer);
        assert_eq!(sent, 7);
    }
}
