//! The state machine of the benchmark: counts, and keeps a digest of all payloads in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jraft_core::{ApplyError, Entries, PeerId, StateMachine, Status, Term};
use serde::Serialize;

/// Counts and digests.
pub(super) struct BenchMachine {
    seen: Arc<Seen>,
}

/// What the process knows of its state machine.
#[derive(Default)]
pub(super) struct Seen {
    leads: AtomicBool,
    applied: Mutex<Applied>,
}

#[derive(Clone, Default)]
struct Applied {
    count: u64,
    digest: crc32fast::Hasher,
}

/// What a process prints last.
#[derive(Serialize)]
pub(super) struct LastLine {
    peer: &'static str,
    #[serde(rename = "self")]
    me: String,
    applied: u64,
    digest: String,
}

impl BenchMachine {
    pub(super) fn new(seen: &Arc<Seen>) -> Self {
        Self { seen: Arc::clone(seen) }
    }
}

impl StateMachine for BenchMachine {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        let mut applied = self.seen.applied.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            applied.add(entry.data());
        }
        Ok(())
    }

    fn on_leader_start(&mut self, _term: Term) {
        self.seen.leads.store(true, Ordering::SeqCst);
    }

    fn on_leader_stop(&mut self, _why: &Status) {
        self.seen.leads.store(false, Ordering::SeqCst);
    }
}

impl Applied {
    fn add(&mut self, payload: &[u8]) {
        self.digest.update(payload);
        self.count += 1;
    }
}

impl Seen {
    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    pub(super) fn line(&self, me: &PeerId) -> LastLine {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let digest = format!("{:08x}", applied.digest.finalize());
        LastLine { peer: super::load::PEER, me: me.to_string(), applied: applied.count, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_crc_32_of_all_payloads_in_order() {
        let seen = Seen::default();
        for payload in ["1234", "", "56789"] {
            seen.applied.lock().unwrap().add(payload.as_bytes());
        }
        let line = serde_json::to_string(&seen.line(&"a:1".parse().unwrap())).unwrap();
        // CRC-32 of "123456789", the check value of every table of CRCs.
        let expected = r#"{"peer":"jraft-rs","self":"a:1","applied":3,"digest":"cbf43926"}"#;
        assert_eq!(line, expected);
    }
}
