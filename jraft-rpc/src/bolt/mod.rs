//! The bolt frame format, protocol V1, without any I/O: bytes in, frames out, and back (wire.md 1).

mod class_names;
mod decoder;
mod encode;
mod frame;
mod status;

pub use class_names::Class;
pub use decoder::{Accepts, Decoder, FrameError};
pub use encode::{RequestHead, ResponseHead, put_heartbeat, put_heartbeat_ack};
pub use frame::{Frame, RequestFrame, ResponseFrame};
pub use status::ResponseStatus;

pub(crate) use frame::{CODEC_HESSIAN, MAX_PART};
