//! Messages of the wire to plain values and back, refusing bytes that make no message (`ProtobufSerializer`).

mod append;
mod request;
mod response;
mod wire;

use jraft_spi::{RaftError, Status};

pub use append::{MAX_ENTRIES, MAX_PEERS, encode_batch};
pub use request::{EncodedRequest, decode_request, encode_request, encode_user_request};
pub use response::{
    Expected, ResponseError, decode_response, decode_user_response, encode_error, encode_response,
};

/// Why bytes make no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not protobuf, or a required field is missing: answered at the level of bolt, as the reference does.
    Unparsable(String),
    /// A message that says something impossible: answered with this status.
    Invalid(Status),
    /// A message of the reference that this version does not know: answered with this status.
    NotSupported(Status),
}

impl Refusal {
    pub(crate) fn unparsable(why: impl Into<String>) -> Self {
        Self::Unparsable(why.into())
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(Status::new(RaftError::EINVAL, why))
    }

    pub(crate) fn missing(message: &str, field: &str) -> Self {
        Self::Unparsable(format!("{message} lacks its required field {field}"))
    }
}
