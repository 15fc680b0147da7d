//! Which fields of a message must be there. Java refuses a message that lacks one; prost fills in a zero and says nothing.

/// The required fields of one message, and of the messages in it.
#[derive(Debug)]
pub struct RequiredFields {
    /// Name of the message in `proto/`, without the package.
    pub name: &'static str,
    /// Numbers of its required fields.
    pub fields: &'static [u32],
    /// Fields that are messages which have required fields themselves.
    pub nested: &'static [(u32, &'static Self)],
}

/// A required field that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message {message} lacks its required field {field}")]
pub struct MissingField {
    /// Name of the message.
    pub message: &'static str,
    /// Number of the field.
    pub field: u32,
}

impl RequiredFields {
    /// The first required field that `bytes`, a message of this kind, or a message in it lacks.
    ///
    /// Malformed bytes lack nothing here; decoding them fails.
    pub fn missing(&'static self, bytes: &[u8]) -> Option<MissingField> {
        if let Some(field) = missing_required(bytes, self.fields) {
            return Some(MissingField { message: self.name, field });
        }
        if self.nested.is_empty() {
            return None;
        }
        let mut fields = Fields::new(bytes);
        while let Some((number, content)) = fields.next()? {
            let inner = self.nested.iter().find(|(nested, _)| *nested == number);
            if let (Some((_, inner)), Some(content)) = (inner, content)
                && let Some(missing) = inner.missing(content)
            {
                return Some(missing);
            }
        }
        None
    }
}

/// The first of the field numbers `required` that is absent at the top level of the message `bytes`.
///
/// Looks at no more than the first 64 numbers of `required`. Malformed bytes give `None`; decoding them fails.
pub fn missing_required(bytes: &[u8], required: &[u32]) -> Option<u32> {
    let mut seen = 0_u64;
    let mut fields = Fields::new(bytes);
    while let Some((number, _)) = fields.next()? {
        if let Some(at) = required.iter().take(64).position(|wanted| *wanted == number) {
            seen |= 1 << at;
        }
    }
    required.iter().take(64).enumerate().find(|(at, _)| seen & (1 << at) == 0).map(|(_, n)| *n)
}

macro_rules! required_fields {
    ($($konst:ident $name:literal [$($field:literal)*] $({$($at:literal $inner:ident)*})?;)*) => {
        $(
            #[doc = concat!("Required fields of `", $name, "`.")]
            pub static $konst: RequiredFields = RequiredFields {
                name: $name,
                fields: &[$($field),*],
                nested: &[$($(($at, &$inner)),*)?],
            };
        )*
        /// Every message of `proto/`.
        pub static ALL_REQUIRED: &[&RequiredFields] = &[$(&$konst),*];
    };
}

required_fields! {
    ENTRY_META "EntryMeta" [1 2];
    SNAPSHOT_META "SnapshotMeta" [1 2];

    PB_LOG_ENTRY "PBLogEntry" [1 2 3 6];
    STABLE_PB_META "StablePBMeta" [1 2];
    CONFIGURATION_PB_META "ConfigurationPBMeta" [];
    LOG_PB_META "LogPBMeta" [1];
    LOCAL_FILE_META "LocalFileMeta" [];
    LOCAL_SNAPSHOT_PB_META "LocalSnapshotPbMeta" [] { 1 SNAPSHOT_META 2 LOCAL_SNAPSHOT_PB_META_FILE };
    LOCAL_SNAPSHOT_PB_META_FILE "LocalSnapshotPbMeta.File" [1];

    PING_REQUEST "PingRequest" [1];
    ERROR_RESPONSE "ErrorResponse" [1];
    INSTALL_SNAPSHOT_REQUEST "InstallSnapshotRequest" [1 2 3 4 5 6] { 5 SNAPSHOT_META };
    INSTALL_SNAPSHOT_RESPONSE "InstallSnapshotResponse" [1 2] { 99 ERROR_RESPONSE };
    TIMEOUT_NOW_REQUEST "TimeoutNowRequest" [1 2 3 4];
    TIMEOUT_NOW_RESPONSE "TimeoutNowResponse" [1 2] { 99 ERROR_RESPONSE };
    REQUEST_VOTE_REQUEST "RequestVoteRequest" [1 2 3 4 5 6 7];
    REQUEST_VOTE_RESPONSE "RequestVoteResponse" [1 2] { 99 ERROR_RESPONSE };
    APPEND_ENTRIES_REQUEST_HEADER "AppendEntriesRequestHeader" [1 2 3];
    APPEND_ENTRIES_REQUEST "AppendEntriesRequest" [1 2 3 4 5 6 8] { 7 ENTRY_META };
    APPEND_ENTRIES_RESPONSE "AppendEntriesResponse" [1 2] { 99 ERROR_RESPONSE };
    GET_FILE_REQUEST "GetFileRequest" [1 2 3 4];
    GET_FILE_RESPONSE "GetFileResponse" [1 2] { 99 ERROR_RESPONSE };
    READ_INDEX_REQUEST "ReadIndexRequest" [1 2];
    READ_INDEX_RESPONSE "ReadIndexResponse" [1 2] { 99 ERROR_RESPONSE };

    ADD_PEER_REQUEST "AddPeerRequest" [1 2 3];
    ADD_PEER_RESPONSE "AddPeerResponse" [] { 99 ERROR_RESPONSE };
    REMOVE_PEER_REQUEST "RemovePeerRequest" [1 2 3];
    REMOVE_PEER_RESPONSE "RemovePeerResponse" [] { 99 ERROR_RESPONSE };
    CHANGE_PEERS_REQUEST "ChangePeersRequest" [1 2];
    CHANGE_PEERS_RESPONSE "ChangePeersResponse" [] { 99 ERROR_RESPONSE };
    SNAPSHOT_REQUEST "SnapshotRequest" [1];
    RESET_PEER_REQUEST "ResetPeerRequest" [1 2];
    TRANSFER_LEADER_REQUEST "TransferLeaderRequest" [1 2];
    GET_LEADER_REQUEST "GetLeaderRequest" [1];
    GET_LEADER_RESPONSE "GetLeaderResponse" [1] { 99 ERROR_RESPONSE };
    GET_PEERS_REQUEST "GetPeersRequest" [1];
    GET_PEERS_RESPONSE "GetPeersResponse" [] { 99 ERROR_RESPONSE };
    ADD_LEARNERS_REQUEST "AddLearnersRequest" [1 2];
    REMOVE_LEARNERS_REQUEST "RemoveLearnersRequest" [1 2];
    RESET_LEARNERS_REQUEST "ResetLearnersRequest" [1 2];
    LEARNERS_OP_RESPONSE "LearnersOpResponse" [] { 99 ERROR_RESPONSE };
}

/// Number of a field, and its content if that is length-delimited.
type Field<'a> = (u32, Option<&'a [u8]>);

/// Walks the top-level fields of a message.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field, `Some(None)` at the end, `None` if the bytes are malformed.
    fn next(&mut self) -> Option<Option<Field<'a>>> {
        let mut groups = 0_u32;
        loop {
            if self.rest.is_empty() {
                return (groups == 0).then_some(None);
            }
            let key = self.varint()?;
            let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0)?;
            let content = match key & 7 {
                0 => self.varint().map(|_| None)?,
                1 => self.take(8).map(|_| None)?,
                2 => {
                    let len = usize::try_from(self.varint()?).ok()?;
                    Some(self.take(len)?)
                }
                3 => {
                    groups += 1;
                    continue;
                }
                4 => {
                    groups = groups.checked_sub(1)?;
                    continue;
                }
                5 => self.take(4).map(|_| None)?,
                _ => return None,
            };
            if groups == 0 {
                return Some(Some((number, content)));
            }
        }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len)?;
        self.rest = tail;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::pb;

    #[test]
    fn first_absent_field_is_named() {
        let message = [8, 1, 16, 2, 0x1a, 2, b'h', b'i'];
        assert_eq!(missing_required(&message, &[1, 2, 3]), None);
        assert_eq!(missing_required(&message, &[1, 4, 5]), Some(4));
        assert_eq!(missing_required(&[], &[2]), Some(2));
        assert_eq!(missing_required(&[], &[]), None);
    }

    #[test]
    fn fields_in_groups_and_fixed_ones_are_skipped() {
        // Group 3 with field 1 in it, then field 2 of eight bytes and field 4 of four.
        let message = [0x1b, 8, 1, 0x1c, 0x11, 8, 8, 8, 8, 8, 8, 8, 8, 0x25, 8, 1, 8, 1];
        assert_eq!(missing_required(&message, &[2, 4]), None);
        assert_eq!(missing_required(&message, &[1]), Some(1));
    }

    #[test]
    fn malformed_bytes_are_left_to_the_decoder() {
        for bytes in [
            &[0x0a, 9, 1][..],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xff; 11],
            &[0x0f],
            &[0x00, 1],
            &[0x0b],
            &[0x0c],
            &[0x09, 1, 1],
            &[0x08],
        ] {
            assert_eq!(missing_required(bytes, &[7]), None, "{bytes:02x?}");
            assert!(pb::StablePbMeta::decode(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn nested_messages_count() {
        let entry = pb::EntryMeta { term: 1, r#type: 2, ..pb::EntryMeta::default() };
        let request = pb::AppendEntriesRequest { entries: vec![entry], ..Default::default() };
        let mut bytes = request.encode_to_vec();
        assert_eq!(APPEND_ENTRIES_REQUEST.missing(&bytes), None);
        // One more entry, with a term only.
        bytes.extend([0x3a, 2, 8, 1]);
        let missing = APPEND_ENTRIES_REQUEST.missing(&bytes).unwrap();
        assert_eq!(missing, MissingField { message: "EntryMeta", field: 2 });
        assert_eq!(missing.to_string(), "message EntryMeta lacks its required field 2");
    }
}
