//! How an `App` looks in the log and between its members.

use jraft_spi::{LogIndex, RaftError, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::depth::{MAX_DEPTH, is_too_deep};

/// The first byte of everything: the version of this encoding.
const VERSION: u8 = 1;
const COMMAND: u8 = 0;
const BARRIER: u8 = 1;
const COMMITTED: u8 = 0;
const REFUSED: u8 = 1;
const UNKNOWN: u8 = 2;

/// What stands in an entry.
pub(super) enum Payload<C> {
    Command(C),
    /// Does nothing: who waits for it knows that everything before is applied.
    Barrier,
}

/// Why bytes make no sense.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    #[error("version {0} of the encoding is not known; is a newer program in the group?")]
    Version(u8),
    #[error("{0} bytes are no message")]
    Length(usize),
    #[error("kind {0} is not known")]
    Kind(u8),
    #[error("it nests more than {MAX_DEPTH} lists and maps")]
    Depth,
    #[error("{0}")]
    Body(#[from] rmp_serde::decode::Error),
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if is_too_deep(bytes) {
        return Err(CodecError::Depth);
    }
    Ok(rmp_serde::from_slice(bytes)?)
}

pub(super) fn encode_command(cmd: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = vec![VERSION, COMMAND];
    rmp_serde::encode::write_named(&mut bytes, cmd)?;
    Ok(bytes)
}

/// Why a command cannot be proposed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnfitCommand {
    #[error("the command has no encoding: {0}")]
    Encoding(#[from] rmp_serde::encode::Error),
    #[error("the command cannot be read back from its encoding: {0}")]
    Reading(#[from] CodecError),
}

/// The encoding of a command that all members will be able to read. Read back here, since a decoder refuses some of what
/// its encoder takes, deep nesting for example, and a committed command that nobody can read ends every member.
pub(super) fn encode_readable<C: Serialize + DeserializeOwned>(
    cmd: &C,
) -> Result<Vec<u8>, UnfitCommand> {
    let bytes = encode_command(cmd)?;
    decode_payload::<C>(&bytes)?;
    Ok(bytes)
}

pub(super) fn encode_barrier() -> Vec<u8> {
    vec![VERSION, BARRIER]
}

pub(super) fn decode_payload<C: DeserializeOwned>(bytes: &[u8]) -> Result<Payload<C>, CodecError> {
    match bytes {
        [VERSION, COMMAND, body @ ..] => Ok(Payload::Command(read(body)?)),
        [VERSION, BARRIER] => Ok(Payload::Barrier),
        [VERSION, kind, ..] => Err(CodecError::Kind(*kind)),
        [version, _, ..] => Err(CodecError::Version(*version)),
        short => Err(CodecError::Length(short.len())),
    }
}

/// How a forwarded proposal ended. The output is there unless it was a barrier.
pub(super) enum Ending<O> {
    Committed(LogIndex, Option<O>),
    Refused(Status),
    Unknown(Status),
}

/// The ending as it would be on another member. The leader's own proposers get no more of an output than all others:
/// a program must not find out what is lost on the way when somebody else is elected.
pub(super) fn as_sent<O: Serialize + DeserializeOwned>(ending: Ending<O>) -> Ending<O> {
    let Ending::Committed(..) = &ending else { return ending };
    let sent = encode_ending(&ending).map_err(|error| no_encoding(&error));
    let sent = sent.and_then(|bytes| {
        decode_ending(&bytes).map_err(|error| {
            let text = format!("the reply cannot be read back from its encoding: {error}");
            Status::new(RaftError::EINTERNAL, text)
        })
    });
    sent.unwrap_or_else(Ending::Unknown)
}

/// Why a reply cannot be sent.
pub(super) fn no_encoding(error: &rmp_serde::encode::Error) -> Status {
    Status::new(RaftError::EINTERNAL, format!("the reply has no encoding: {error}"))
}

pub(super) fn encode_ending<O: Serialize>(
    ending: &Ending<O>,
) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let with_status = |kind: u8, status: &Status| {
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(&status.code().to_be_bytes());
        bytes.extend_from_slice(status.message().as_bytes());
        bytes
    };
    match ending {
        Ending::Committed(at, out) => {
            let mut bytes = vec![VERSION, COMMITTED];
            bytes.extend_from_slice(&at.0.to_be_bytes());
            if let Some(out) = out {
                rmp_serde::encode::write_named(&mut bytes, out)?;
            }
            Ok(bytes)
        }
        Ending::Refused(status) => Ok(with_status(REFUSED, status)),
        Ending::Unknown(status) => Ok(with_status(UNKNOWN, status)),
    }
}

pub(super) fn decode_ending<O: DeserializeOwned>(bytes: &[u8]) -> Result<Ending<O>, CodecError> {
    let (kind, body) = match bytes {
        [VERSION, kind, body @ ..] => (*kind, body),
        [version, _, ..] => return Err(CodecError::Version(*version)),
        short => return Err(CodecError::Length(short.len())),
    };
    let length = CodecError::Length(bytes.len());
    if kind == COMMITTED {
        let (at, out) = body.split_first_chunk().ok_or(length)?;
        let out = if out.is_empty() { None } else { Some(read(out)?) };
        return Ok(Ending::Committed(LogIndex(u64::from_be_bytes(*at)), out));
    }
    let (code, text) = body.split_first_chunk().ok_or(length)?;
    let status = Status::from_wire(i32::from_be_bytes(*code), String::from_utf8_lossy(text));
    match kind {
        REFUSED => Ok(Ending::Refused(status)),
        UNKNOWN => Ok(Ending::Unknown(status)),
        kind => Err(CodecError::Kind(kind)),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Add {
        by: i64,
        #[serde(default)]
        note: String,
    }

    #[test]
    fn a_command_of_an_older_program_is_read() {
        #[derive(Serialize)]
        struct Older {
            by: i64,
        }
        let bytes = encode_command(&Older { by: 5 }).unwrap();
        let Payload::Command(add) = decode_payload::<Add>(&bytes).unwrap() else { panic!() };
        assert_eq!(add, Add { by: 5, note: String::new() });
        assert!(matches!(decode_payload::<Add>(&encode_barrier()), Ok(Payload::Barrier)));
    }

    #[test]
    fn endings_survive_the_wire() {
        let bytes = encode_ending(&Ending::Committed(LogIndex(7), Some(3i64))).unwrap();
        let back = decode_ending::<i64>(&bytes).unwrap();
        assert!(matches!(back, Ending::Committed(LogIndex(7), Some(3))));
        let status = Status::new(RaftError::EPERM, "Is not leader.");
        let bytes = encode_ending(&Ending::<i64>::Refused(status.clone())).unwrap();
        let Ok(Ending::Refused(back)) = decode_ending::<i64>(&bytes) else { panic!() };
        assert_eq!(back, status);
    }

    #[test]
    fn strange_bytes_are_refused() {
        for bytes in [&[][..], &[1], &[9, 0, 1], &[1, 7], &[1, 0, 0xc1], &[1, 0]] {
            assert!(decode_payload::<Add>(bytes).is_err(), "{bytes:?}");
            assert!(decode_ending::<Add>(bytes).is_err(), "{bytes:?}");
        }
    }
}
