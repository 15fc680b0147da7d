//! The network: links between nodes, what happens to what travels on them, and two transports over it: messages, and bytes
//! through the real codec.

pub mod bytes;
pub mod links;
pub mod message;
pub mod watched;
