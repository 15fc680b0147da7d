//! Writes the fixed parts of frames (`RpcCommandEncoder`).

use bytes::BufMut;

use super::frame::{
    CODEC_HESSIAN, COMMAND_HEARTBEAT, COMMAND_REQUEST, COMMAND_RESPONSE, COMMAND_VERSION,
    NO_TIMEOUT, PROTOCOL_V1, TYPE_ONE_WAY, TYPE_REQUEST, TYPE_RESPONSE,
};
use super::status::ResponseStatus;

/// The fixed part of a request and its class name. Header and content follow, of the lengths told.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The id that the response will carry.
    pub id: i32,
    /// Whether no answer is wanted.
    pub one_way: bool,
    /// The serializer byte.
    pub codec: u8,
    /// How long the sender waits, in milliseconds.
    pub timeout_ms: i32,
    /// The class name; at most 32,767 bytes.
    pub class: &'a [u8],
    /// Length of the header that follows; at most 32,767.
    pub header_len: usize,
    /// Length of the content that follows; at most 2³¹ - 1.
    pub content_len: usize,
}

impl RequestHead<'_> {
    /// Appends it to `out`.
    ///
    /// # Panics
    /// If a length does not fit its field: callers check against their limits, which are smaller.
    pub fn put(&self, out: &mut impl BufMut) {
        out.put_u8(PROTOCOL_V1);
        out.put_u8(if self.one_way { TYPE_ONE_WAY } else { TYPE_REQUEST });
        out.put_u16(COMMAND_REQUEST);
        out.put_u8(COMMAND_VERSION);
        out.put_i32(self.id);
        out.put_u8(self.codec);
        out.put_i32(self.timeout_ms);
        put_lengths(out, self.class.len(), self.header_len, self.content_len);
        out.put_slice(self.class);
    }
}

/// The fixed part of a response and its class name. The content follows, of the length told; there is no header.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The id of the request.
    pub id: i32,
    /// The serializer byte.
    pub codec: u8,
    /// How it went.
    pub status: ResponseStatus,
    /// The class name; at most 32,767 bytes.
    pub class: &'a [u8],
    /// Length of the content that follows; at most 2³¹ - 1.
    pub content_len: usize,
}

impl<'a> ResponseHead<'a> {
    /// A whole frame: an answer that says nothing but its status (wire.md 1.9).
    pub const fn bare(id: i32, status: ResponseStatus) -> Self {
        Self { id, codec: CODEC_HESSIAN, status, class: &[], content_len: 0 }
    }

    /// The head of a success.
    pub const fn success(id: i32, codec: u8, class: &'a [u8], content_len: usize) -> Self {
        Self { id, codec, status: ResponseStatus::Success, class, content_len }
    }

    /// Appends it to `out`.
    ///
    /// # Panics
    /// If a length does not fit its field: callers check against their limits, which are smaller.
    pub fn put(&self, out: &mut impl BufMut) {
        out.put_u8(PROTOCOL_V1);
        out.put_u8(TYPE_RESPONSE);
        out.put_u16(COMMAND_RESPONSE);
        out.put_u8(COMMAND_VERSION);
        out.put_i32(self.id);
        out.put_u8(self.codec);
        out.put_u16(self.status.number());
        put_lengths(out, self.class.len(), 0, self.content_len);
        out.put_slice(self.class);
    }
}

/// Appends a whole bolt heartbeat.
pub fn put_heartbeat(out: &mut impl BufMut, id: i32) {
    out.put_u8(PROTOCOL_V1);
    out.put_u8(TYPE_REQUEST);
    out.put_u16(COMMAND_HEARTBEAT);
    out.put_u8(COMMAND_VERSION);
    out.put_i32(id);
    out.put_u8(CODEC_HESSIAN);
    out.put_i32(NO_TIMEOUT);
    put_lengths(out, 0, 0, 0);
}

/// Appends the whole answer to a bolt heartbeat.
pub fn put_heartbeat_ack(out: &mut impl BufMut, id: i32) {
    out.put_u8(PROTOCOL_V1);
    out.put_u8(TYPE_RESPONSE);
    out.put_u16(COMMAND_HEARTBEAT);
    out.put_u8(COMMAND_VERSION);
    out.put_i32(id);
    out.put_u8(CODEC_HESSIAN);
    out.put_u16(ResponseStatus::Success.number());
    put_lengths(out, 0, 0, 0);
}

fn put_lengths(out: &mut impl BufMut, class: usize, header: usize, content: usize) {
    out.put_i16(i16::try_from(class).expect("class names are checked before"));
    out.put_i16(i16::try_from(header).expect("headers are ours, and short"));
    out.put_i32(i32::try_from(content).expect("contents are checked against max_frame_bytes"));
}
