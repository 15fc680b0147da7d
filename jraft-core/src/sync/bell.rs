//! `Bell`: wakes the one task that looks after everything.

use super::Notify;
use super::atomic::{AtomicBool, Ordering};

/// Wakes one task, at most once per drain however many ring.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// Wakes the listener, unless somebody has already done so since it last looked.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    /// Whether somebody has rung since the listener last looked: it will not wait.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// Resolves when rung. What is left afterwards rings again: look at everything after this returns.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
        // A swap, not a store: reading what they wrote shows what was left by those who rang and woke nobody.
        self.rung.swap(false, Ordering::SeqCst);
    }
}
