//! `App`: a replicated value of one serde type. Snapshots, routing and encoding come with it.

mod codec;
mod depth;
mod forward;
mod handle;
mod machine;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::handle::{AppHandle, AppProposal, ReadError};
use self::machine::AppMachine;
use crate::assemble::{RaftGroupBuilder, RaftGroupService, StartError};

/// A replicated application in one method.
///
/// Deterministic: only `self` and `cmd` count; no clock, randomness, environment, hash order. Every replica, the leader
/// too, applies the *decoded* command. Commands and replies are MessagePack with field names: a field with
/// `#[serde(default)]` may be added in a rolling upgrade.
pub trait App: Serialize + DeserializeOwned + Send + 'static {
    /// What is proposed. Up to 128 lists and maps within each other.
    type Cmd: Serialize + DeserializeOwned + Send + 'static;
    /// What the proposer gets back: what MessagePack keeps of it, and the same on every member. The leader's own proposers
    /// get the decoded reply, too, so that `Some(())` and `Some(None)` become `None` and skipped fields their defaults
    /// wherever one asks. A reply without an encoding, or one that cannot be read back, leaves the proposer with
    /// `Unknown` (EINTERNAL), although the command is applied. Costs an encoding and a decoding, where the answer is
    /// awaited.
    type Out: Serialize + DeserializeOwned + Send + 'static;

    /// Applies a committed command.
    fn apply(&mut self, cmd: Self::Cmd) -> Self::Out;
}

impl RaftGroupBuilder {
    /// Starts a group whose state is `app`. The handle is typed and works on any member.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_app<A: App>(
        self,
        app: A,
    ) -> Result<RaftGroupService<AppHandle<A>>, StartError> {
        let (machine, state) = AppMachine::new(app);
        let builder = self.user_processor(forward::Processor::<A>::new);
        builder.start_with(machine, move |node| AppHandle::new(node.clone(), state)).await
    }
}
