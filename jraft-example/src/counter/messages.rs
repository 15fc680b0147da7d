//! What a client and a server of the counter say to each other, and what stands in the log (`CounterOutter`).
//!
//! A request is a version byte, the group and a [`Command`]; the bytes of the command are what goes into the log. An
//! addition is `version, client, sequence, delta`: 25 bytes.

use bytes::Bytes;
use jraft_core::rpc::UserMessage;
use jraft_core::{GroupId, PeerId};

use super::codec::{DecodeError, Reader, VERSION, Writer};

/// The name of a request to add.
pub const ADD: &str = "jraft.example.counter.Add";
/// The name of a request to read.
pub const GET: &str = "jraft.example.counter.Get";
/// The name of a request to read together with what one client has added.
pub const AUDIT: &str = "jraft.example.counter.Audit";
/// The name of a request for the state of one node.
pub const STATS: &str = "jraft.example.counter.Stats";
/// The name of every answer.
const ANSWER: &str = "jraft.example.counter.Answer";

/// Names one client of the group: the index of the entry that made it known, which no other client will ever have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// An entry of the log. The kinds are told apart by their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the value. Goes through the log, and is therefore linearizable.
    Get,
    /// Read the value, and what a client has added.
    Audit(ClientId),
    /// Become known, and be told under which name. Repeated, it makes two names, of which one is never used: that is
    /// why names are given and not brought along. A brought name that was forgotten would look like a new one.
    Hello,
    /// Add.
    Add(Add),
}

/// An addition, which is applied once however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    /// Who adds; never 0.
    pub client: ClientId,
    /// The number of this addition: the first one of a client has 1, the next one 2.
    pub sequence: u64,
    /// How much; may be negative.
    pub delta: i64,
}

impl Command {
    /// The name of the request that carries it.
    pub const fn request_name(&self) -> &'static str {
        match self {
            Self::Get => GET,
            Self::Audit(_) => AUDIT,
            Self::Hello | Self::Add(_) => ADD,
        }
    }

    /// Its bytes in the log.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Get => Writer::new().finish(),
            Self::Audit(client) => Writer::new().unsigned(client.0).finish(),
            Self::Hello => Writer::new().unsigned(0).unsigned(0).signed(0).finish(),
            Self::Add(add) => Writer::new()
                .unsigned(add.client.0)
                .unsigned(add.sequence)
                .signed(add.delta)
                .finish(),
        }
    }

    /// Reverse of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let command = match reader.left() {
            0 => Self::Get,
            8 => Self::Audit(ClientId(reader.unsigned()?)),
            24 => match (reader.unsigned()?, reader.unsigned()?, reader.signed()?) {
                (0, 0, 0) => Self::Hello,
                (0, ..) => return Err(DecodeError::new("an addition of nobody")),
                (client, sequence, delta) => {
                    Self::Add(Add { client: ClientId(client), sequence, delta })
                }
            },
            other => return Err(DecodeError::new(format!("no command has {other} bytes"))),
        };
        reader.end(command)
    }

    /// The request that brings it to `group`.
    pub fn to_request(self, group: &GroupId) -> UserMessage {
        let body = Writer::new().text(group.as_str()).raw(&self.encode()).finish();
        UserMessage::new(self.request_name(), body)
    }

    /// The group and the command of a request, and the command's own bytes, which are not copied.
    pub fn from_request(body: &Bytes) -> Result<(&str, Self, Bytes), DecodeError> {
        let mut reader = Reader::new(body)?;
        let group = reader.text()?;
        let payload = body.slice(reader.position()..);
        Ok((group, Self::decode(&payload)?, payload))
    }
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Applied; the value afterwards.
    Value(i64),
    /// The answer to [`Command::Hello`].
    Welcome(ClientId),
    /// The answer to [`Command::Audit`].
    Audit(Audit),
    /// Certainly not applied: another node leads, as far as this one knows.
    NotLeader(Option<PeerId>),
    /// Certainly not applied: this node cannot take it now, and may be asked again.
    Busy(String),
    /// Not applied, and asking again will not help.
    Refused(String),
    /// Not applied: the group has forgotten the client.
    NoSession,
    /// Perhaps applied, now or later.
    Unknown(String),
}

/// What the group knows of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The value.
    pub value: i64,
    /// The client's share, unless the group does not know the client.
    pub client: Option<ClientShare>,
}

/// What one client has added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientShare {
    /// The number of its last addition.
    pub sequence: u64,
    /// The sum of all its additions.
    pub total: i64,
}

impl Answer {
    /// As a message.
    pub fn to_message(&self) -> UserMessage {
        UserMessage::new(ANSWER, self.encode())
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let writer = Writer::new();
        let writer = match self {
            Self::Value(value) => writer.byte(0).signed(*value),
            Self::Audit(Audit { value, client: None }) => writer.byte(1).signed(*value),
            Self::Audit(Audit { value, client: Some(share) }) => {
                writer.byte(2).signed(*value).unsigned(share.sequence).signed(share.total)
            }
            Self::NotLeader(None) => writer.byte(3),
            Self::NotLeader(Some(leader)) => writer.byte(4).text(&leader.to_string()),
            Self::Busy(why) => writer.byte(5).text(why),
            Self::Refused(why) => writer.byte(6).text(why),
            Self::NoSession => writer.byte(7),
            Self::Unknown(why) => writer.byte(8).text(why),
            Self::Welcome(client) => writer.byte(9).unsigned(client.0),
        };
        writer.finish()
    }

    /// Reverse of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let answer = match reader.byte()? {
            0 => Self::Value(reader.signed()?),
            1 => Self::Audit(Audit { value: reader.signed()?, client: None }),
            2 => {
                let value = reader.signed()?;
                let share = ClientShare { sequence: reader.unsigned()?, total: reader.signed()? };
                Self::Audit(Audit { value, client: Some(share) })
            }
            3 => Self::NotLeader(None),
            4 => Self::NotLeader(Some(peer(&mut reader)?)),
            5 => Self::Busy(reader.text()?.to_owned()),
            6 => Self::Refused(reader.text()?.to_owned()),
            7 => Self::NoSession,
            8 => Self::Unknown(reader.text()?.to_owned()),
            9 => Self::Welcome(ClientId(reader.unsigned()?)),
            other => return Err(DecodeError::new(format!("answer of kind {other}"))),
        };
        reader.end(answer)
    }
}

/// The state of one node, as it sees itself: not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The group it serves.
    pub group: String,
    /// What it is, in words.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// The leader it knows.
    pub leader: Option<PeerId>,
    /// The last entry it knows to be committed.
    pub committed: u64,
    /// The last entry it has applied.
    pub applied: u64,
    /// The counter in its state machine.
    pub value: i64,
    /// How many syncs of its log and meta data have reached the disk since it started.
    pub fsyncs: u64,
}

impl Stats {
    /// The request for it.
    pub fn request() -> UserMessage {
        UserMessage::new(STATS, vec![VERSION])
    }

    /// As a message.
    pub fn to_message(&self) -> UserMessage {
        UserMessage::new(ANSWER, self.encode())
    }

    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let leader = self.leader.as_ref().map(PeerId::to_string).unwrap_or_default();
        Writer::new()
            .text(&self.group)
            .text(&self.role)
            .unsigned(self.term)
            .text(&leader)
            .unsigned(self.committed)
            .unsigned(self.applied)
            .signed(self.value)
            .unsigned(self.fsyncs)
            .finish()
    }

    /// Reverse of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let stats = Self {
            group: reader.text()?.to_owned(),
            role: reader.text()?.to_owned(),
            term: reader.unsigned()?,
            leader: optional_peer(&mut reader)?,
            committed: reader.unsigned()?,
            applied: reader.unsigned()?,
            value: reader.signed()?,
            fsyncs: reader.unsigned()?,
        };
        reader.end(stats)
    }
}

fn optional_peer(reader: &mut Reader<'_>) -> Result<Option<PeerId>, DecodeError> {
    match reader.text()? {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| DecodeError::new(format!("{error}"))),
    }
}

fn peer(reader: &mut Reader<'_>) -> Result<PeerId, DecodeError> {
    optional_peer(reader)?.ok_or_else(|| DecodeError::new("a leader without a name"))
}
