//! The user's state machine and the lane that owns it (`com.alipay.sofa.jraft.StateMachine`, `FSMCallerImpl`).

mod entries;
mod machine;
mod queue;
mod room;
#[cfg(test)]
#[cfg(feature = "shuttle")]
mod tests;

pub use entries::{Entries, Entry};
pub use machine::{ApplyError, StateMachine};
pub(crate) use queue::{ApplyRange, FsmCommand, FsmNotice, FsmQueue};
pub(crate) use room::{FsmHost, FsmRoom};
