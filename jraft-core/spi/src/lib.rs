//! What the node and its adapters agree on.
//!
//! Vocabulary ([`entity`], [`conf`], [`option`], [`error`], [`message`]), ports ([`rpc`], [`storage`]) and the
//! seams to the world ([`mod@env`]). No behaviour: a package that implements a log, a transport or a simulator depends
//! on this one alone. Users of the library meet all of it through `jraft_core`.

pub mod conf;
pub mod entity;
pub mod env;
pub mod error;
pub mod message;
pub mod option;
#[doc(hidden)]
pub mod pb;
pub mod rpc;
pub mod sim;
pub mod status;
pub mod storage;

pub use conf::{Configuration, ConfigurationEntry, ConfigurationManager};
pub use entity::{
    Ballot, Endpoint, EntryPeers, EntryType, GroupId, LogEntry, LogId, LogIndex, NodeId,
    ParseError, PeerId, Term,
};
pub use error::{RaftError, Status};
pub use option::{
    ApplyPlace, ApplyTaskMode, NodeOptions, OptionError, OptionRow, OptionWarning, RaftOptions,
    ReadOnlyOption, RpcOptions,
};
