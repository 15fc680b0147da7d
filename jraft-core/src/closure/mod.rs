//! How a task ends: `Done` runs exactly once, with an `Outcome` of three kinds.
//!
//! The reference's `Closure` and `Task`.

mod done;
mod task;

pub use done::{Committed, Done, Outcome, Reply};
pub(crate) use done::{DoneQueue, Ending};
pub(crate) use task::AcceptedTask;
pub use task::{Rejected, Task};
