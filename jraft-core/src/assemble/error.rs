//! `StartError`: why a group did not start. Nothing stays behind: no thread, port, lock file or registration.

use jraft_spi::rpc::RpcError;
use jraft_spi::storage::StorageError;
use jraft_spi::{NodeId, OptionError, ParseError};

/// Why a group did not start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A name, an address or a configuration could not be read.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// An option has a value that cannot work.
    #[error("{0}")]
    Options(#[from] OptionError),
    /// The disk said no.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The port could not be opened.
    #[error("{0}")]
    Listen(#[from] RpcError),
    /// The node, or a name of a request, is there already.
    #[error("{0} is registered already")]
    Duplicate(String),
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Threads(#[from] std::io::Error),
    /// Something was not said.
    #[error("{missing} is missing: call `.{call}(..)` on the builder")]
    Missing {
        /// What is missing.
        missing: &'static str,
        /// The method to call.
        call: &'static str,
    },
    /// This address cannot be a member.
    #[error("{node} cannot take part: {why}")]
    Identity {
        /// The node.
        node: NodeId,
        /// Why.
        why: &'static str,
    },
}
