//! Cuts a stream of bytes into frames (`RpcCommandDecoder`), refusing bad ones as soon as they can be told.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{
    COMMAND_HEARTBEAT, COMMAND_REQUEST, COMMAND_RESPONSE, Frame, PROTOCOL_V1, PROTOCOL_V2,
    REQUEST_FIXED, RESPONSE_FIXED, RequestFrame, ResponseFrame, TYPE_ONE_WAY, TYPE_REQUEST,
    TYPE_RESPONSE,
};
use super::status::ResponseStatus;

/// Which frames may arrive on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Those that a server gets.
    Requests,
    /// Those that a client gets.
    Responses,
}

/// Why a stream of bytes is no stream of frames. The connection must be closed: nothing after it can be told apart.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte is none of bolt's.
    #[error("not bolt: it looks like {looks_like}")]
    NotBolt {
        /// What it resembles.
        looks_like: String,
    },
    /// Bolt's second protocol, which no SOFAJRaft node speaks.
    #[error("bolt protocol V2 is not supported, only V1")]
    ProtocolTwo,
    /// The type byte is unknown.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// A request where only responses can arrive, or the reverse.
    #[error("a frame of type {0} has no place on this side of a connection")]
    WrongSide(u8),
    /// The command code is unknown, or does not go with the type.
    #[error("command code {command} in a frame of type {kind}")]
    UnknownCommand {
        /// The type byte.
        kind: u8,
        /// The command code.
        command: u16,
    },
    /// A length is below zero.
    #[error("negative length {len} of the {part}")]
    NegativeLength {
        /// Which part.
        part: &'static str,
        /// Its length.
        len: i32,
    },
    /// The content is longer than the limit.
    #[error("content of {len} bytes, the limit is {limit}")]
    TooLong {
        /// The length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The status of a response is not in the table.
    #[error("unknown response status {0:#06x}")]
    UnknownStatus(u16),
}

/// Bytes in, frames out. Holds no more than what was fed.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    accepts: Accepts,
    max_content: usize,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new(accepts: Accepts, max_content: usize) -> Self {
        Self { buffer: BytesMut::new(), accepts, max_content }
    }

    /// Takes bytes. The frames they complete come out of [`Self::next_frame`].
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where a reader may put bytes directly.
    pub const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Makes room for the next read: for the rest of a frame of known length, but never for much more than has come,
    /// so that a length alone costs no memory.
    pub fn make_room(&mut self) {
        let spare = self.buffer.capacity() - self.buffer.len();
        let wanted = self.missing().min(self.buffer.len().max(READ_BYTES));
        if spare < wanted.max(MIN_SPARE) {
            self.buffer.reserve(wanted.max(READ_BYTES));
        }
    }

    /// How many bytes the frame that has begun lacks, if its fixed part is there.
    fn missing(&self) -> usize {
        let fixed = match self.accepts {
            Accepts::Requests => REQUEST_FIXED,
            Accepts::Responses => RESPONSE_FIXED,
        };
        let lengths = self.buffer.get(fixed - 8..fixed);
        let lengths = lengths.and_then(|lengths| Lengths::read(lengths, self.max_content).ok());
        lengths.map_or(0, |lengths| lengths.total(fixed).saturating_sub(self.buffer.len()))
    }

    /// Whether a frame has begun and is not complete.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next complete frame; `None` until more bytes are fed.
    ///
    /// After an error the decoder gives the same error again.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(kind) = self.check_start()? else { return Ok(None) };
        let fixed = if kind == TYPE_RESPONSE { RESPONSE_FIXED } else { REQUEST_FIXED };
        if self.buffer.len() < fixed {
            return Ok(None);
        }
        let lengths = Lengths::read(&self.buffer[fixed - 8..fixed], self.max_content)?;
        let status = match kind {
            TYPE_RESPONSE => Some(self.status()?),
            _ => None,
        };
        let total = lengths.total(fixed);
        if self.buffer.len() < total {
            return Ok(None);
        }
        let head = Head::read(&self.buffer, fixed);
        let mut rest = self.buffer.split_to(total).freeze();
        rest.advance(fixed);
        let class = rest.split_to(lengths.class);
        let header = rest.split_to(lengths.header);
        Ok(Some(assemble(kind, head, status, [class, header, rest])))
    }

    /// The type byte, once protocol, type and command are there and make sense.
    fn check_start(&self) -> Result<Option<u8>, FrameError> {
        let Some(protocol) = self.buffer.first() else { return Ok(None) };
        match *protocol {
            PROTOCOL_V1 => {}
            PROTOCOL_V2 => return Err(FrameError::ProtocolTwo),
            _ => return Err(FrameError::NotBolt { looks_like: looks_like(&self.buffer) }),
        }
        let Some(kind) = self.buffer.get(1).copied() else { return Ok(None) };
        let is_response = match kind {
            TYPE_RESPONSE => true,
            TYPE_REQUEST | TYPE_ONE_WAY => false,
            _ => return Err(FrameError::UnknownType(kind)),
        };
        if is_response != (self.accepts == Accepts::Responses) {
            return Err(FrameError::WrongSide(kind));
        }
        let Some(command) = self.buffer.get(2..4) else { return Ok(None) };
        let command = u16::from_be_bytes([command[0], command[1]]);
        let expected = if is_response { COMMAND_RESPONSE } else { COMMAND_REQUEST };
        if command != expected && command != COMMAND_HEARTBEAT {
            return Err(FrameError::UnknownCommand { kind, command });
        }
        Ok(Some(kind))
    }

    /// The status of a response whose fixed part is there.
    fn status(&self) -> Result<ResponseStatus, FrameError> {
        let number = u16::from_be_bytes([self.buffer[10], self.buffer[11]]);
        ResponseStatus::from_number(number).ok_or(FrameError::UnknownStatus(number))
    }
}

struct Lengths {
    class: usize,
    header: usize,
    content: usize,
}

impl Lengths {
    fn read(mut at: &[u8], max_content: usize) -> Result<Self, FrameError> {
        let class = length("class name", at.get_i16().into())?;
        let header = length("header", at.get_i16().into())?;
        let content = length("content", at.get_i32())?;
        if content > max_content {
            return Err(FrameError::TooLong { len: content, limit: max_content });
        }
        Ok(Self { class, header, content })
    }

    const fn total(&self, fixed: usize) -> usize {
        fixed + self.class + self.header + self.content
    }
}

fn length(part: &'static str, len: i32) -> Result<usize, FrameError> {
    usize::try_from(len).map_err(|_| FrameError::NegativeLength { part, len })
}

struct Head {
    is_heartbeat: bool,
    id: i32,
    codec: u8,
    timeout_ms: i32,
}

impl Head {
    fn read(buffer: &[u8], fixed: usize) -> Self {
        let mut at = &buffer[2..fixed];
        let is_heartbeat = at.get_u16() == COMMAND_HEARTBEAT;
        at.advance(1);
        let id = at.get_i32();
        let codec = at.get_u8();
        // Not looked at in a response, which has its status here.
        let timeout_ms = at.get_i32();
        Self { is_heartbeat, id, codec, timeout_ms }
    }
}

fn assemble(
    kind: u8,
    head: Head,
    status: Option<ResponseStatus>,
    [class, header, content]: [Bytes; 3],
) -> Frame {
    let Head { is_heartbeat, id, codec, timeout_ms } = head;
    match status {
        None if is_heartbeat => Frame::Heartbeat { id },
        Some(_) if is_heartbeat => Frame::HeartbeatAck { id },
        None => {
            let one_way = kind == TYPE_ONE_WAY;
            Frame::Request(RequestFrame { id, one_way, codec, timeout_ms, class, header, content })
        }
        Some(status) => {
            Frame::Response(ResponseFrame { id, codec, status, class, header, content })
        }
    }
}

/// Names what bytes that are not bolt resemble, for the log line of whoever connected the wrong things.
fn looks_like(bytes: &[u8]) -> String {
    const HTTP: [&[u8]; 7] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"CONNECT "];
    if HTTP.iter().any(|method| bytes.starts_with(method)) {
        "an HTTP request".to_owned()
    } else if bytes.starts_with(b"PRI * HTTP/2") {
        "HTTP/2 or gRPC".to_owned()
    } else if bytes.starts_with(&[0x16, 3]) {
        "a TLS handshake".to_owned()
    } else if bytes.starts_with(b"SSH-") {
        "SSH".to_owned()
    } else {
        format!("nothing known (first byte {:#04x})", bytes[0])
    }
}

/// What one read may bring.
const READ_BYTES: usize = 32 << 10;
/// Below this a read is not worth its system call.
const MIN_SPARE: usize = 4 << 10;
