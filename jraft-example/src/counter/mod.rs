//! A counter that many clients add to: its messages, its state machine, its service.

mod codec;
mod machine;
mod messages;
mod service;
mod sessions;
mod state;

pub use codec::{DecodeError, MAX_TEXT, VERSION};
pub use machine::CounterMachine;
pub use messages::{
    ADD, AUDIT, Add, Answer, Audit, ClientId, ClientShare, Command, GET, STATS, Stats,
};
pub use service::{CommandProcessor, StatsProcessor};
pub use sessions::{MAX_CLIENTS, Session, Sessions};
pub use state::CounterState;
