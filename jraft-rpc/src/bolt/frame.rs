//! What a frame is once it is complete, and the numbers of its fixed part (`RpcProtocol`, `RpcCommand`).

use bytes::Bytes;

use super::status::ResponseStatus;

/// First byte of a V1 frame.
pub(crate) const PROTOCOL_V1: u8 = 1;
/// First byte of a V2 frame, which this version refuses.
pub(crate) const PROTOCOL_V2: u8 = 2;
/// The fixed part of a V1 request.
pub(crate) const REQUEST_FIXED: usize = 22;
/// The fixed part of a V1 response.
pub(crate) const RESPONSE_FIXED: usize = 20;
/// Type byte of a response.
pub(crate) const TYPE_RESPONSE: u8 = 0;
/// Type byte of a request.
pub(crate) const TYPE_REQUEST: u8 = 1;
/// Type byte of a request that is not answered.
pub(crate) const TYPE_ONE_WAY: u8 = 2;
/// Command code of a bolt heartbeat and its ack.
pub(crate) const COMMAND_HEARTBEAT: u16 = 0;
/// Command code of a request.
pub(crate) const COMMAND_REQUEST: u16 = 1;
/// Command code of a response.
pub(crate) const COMMAND_RESPONSE: u16 = 2;
/// Version of the command, sent always, looked at never.
pub(crate) const COMMAND_VERSION: u8 = 1;
/// The serializer byte: Hessian2, which the reference writes even around protobuf.
pub(crate) const CODEC_HESSIAN: u8 = 1;
/// The timeout field of heartbeats.
pub(crate) const NO_TIMEOUT: i32 = -1;
/// The longest class name or header: the length is a signed 16-bit number.
pub(crate) const MAX_PART: usize = i16::MAX as usize;

/// A complete frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A request, or one that is not answered.
    Request(RequestFrame),
    /// The answer to a request.
    Response(ResponseFrame),
    /// Is the connection alive.
    Heartbeat {
        /// Echoed in the ack.
        id: i32,
    },
    /// It is.
    HeartbeatAck {
        /// The id of the heartbeat.
        id: i32,
    },
}

/// A request as it arrived; the parts are slices of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    /// Echoed in the response.
    pub id: i32,
    /// Whether no answer is wanted.
    pub one_way: bool,
    /// The serializer byte, echoed on success.
    pub codec: u8,
    /// How long the sender waits, in milliseconds; not positive for "no limit".
    pub timeout_ms: i32,
    /// The class name.
    pub class: Bytes,
    /// The bolt header.
    pub header: Bytes,
    /// The content.
    pub content: Bytes,
}

/// A response as it arrived; the parts are slices of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFrame {
    /// The id of the request.
    pub id: i32,
    /// The serializer byte.
    pub codec: u8,
    /// How it went.
    pub status: ResponseStatus,
    /// The class name.
    pub class: Bytes,
    /// The bolt header; always empty in the reference.
    pub header: Bytes,
    /// The content.
    pub content: Bytes,
}
