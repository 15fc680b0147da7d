//! The side that is connected to: an open port, its connections, their requests (`BoltRpcServer`).

mod answer;
mod connection;
mod dispatch;
mod listener;
mod pairs;

pub(crate) use listener::{Context, Listener, listen_error};
