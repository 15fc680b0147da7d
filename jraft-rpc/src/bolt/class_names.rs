//! The closed table of the reference's class names; every other name belongs to the application (wire.md 3.1).

/// Package of all message classes of the protocol.
const PACKAGE: &str = "com.alipay.sofa.jraft.rpc.";

macro_rules! classes {
    ($($name:ident $short:literal,)+) => {
        /// A message class of the reference.
        #[allow(missing_docs, reason = "each is called as the message is")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Class { $($name,)+ }

        impl Class {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("com.alipay.sofa.jraft.rpc.", $short),)+ }
            }

            /// The class of a name on the wire.
            pub fn find(name: &[u8]) -> Option<Self> {
                let name = std::str::from_utf8(name.strip_prefix(PACKAGE.as_bytes())?).ok()?;
                match name { $($short => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

classes! {
    AppendEntriesRequest "RpcRequests$AppendEntriesRequest",
    AppendEntriesResponse "RpcRequests$AppendEntriesResponse",
    PingRequest "RpcRequests$PingRequest",
    ErrorResponse "RpcRequests$ErrorResponse",
    RequestVoteRequest "RpcRequests$RequestVoteRequest",
    RequestVoteResponse "RpcRequests$RequestVoteResponse",
    TimeoutNowRequest "RpcRequests$TimeoutNowRequest",
    TimeoutNowResponse "RpcRequests$TimeoutNowResponse",
    InstallSnapshotRequest "RpcRequests$InstallSnapshotRequest",
    InstallSnapshotResponse "RpcRequests$InstallSnapshotResponse",
    ReadIndexRequest "RpcRequests$ReadIndexRequest",
    ReadIndexResponse "RpcRequests$ReadIndexResponse",
    GetFileRequest "RpcRequests$GetFileRequest",
    GetFileResponse "RpcRequests$GetFileResponse",
    GetLeaderRequest "CliRequests$GetLeaderRequest",
    GetLeaderResponse "CliRequests$GetLeaderResponse",
    GetPeersRequest "CliRequests$GetPeersRequest",
    GetPeersResponse "CliRequests$GetPeersResponse",
    AddPeerRequest "CliRequests$AddPeerRequest",
    AddPeerResponse "CliRequests$AddPeerResponse",
    RemovePeerRequest "CliRequests$RemovePeerRequest",
    RemovePeerResponse "CliRequests$RemovePeerResponse",
    ChangePeersRequest "CliRequests$ChangePeersRequest",
    ChangePeersResponse "CliRequests$ChangePeersResponse",
    ResetPeerRequest "CliRequests$ResetPeerRequest",
    SnapshotRequest "CliRequests$SnapshotRequest",
    TransferLeaderRequest "CliRequests$TransferLeaderRequest",
    AddLearnersRequest "CliRequests$AddLearnersRequest",
    RemoveLearnersRequest "CliRequests$RemoveLearnersRequest",
    ResetLearnersRequest "CliRequests$ResetLearnersRequest",
    LearnersOpResponse "CliRequests$LearnersOpResponse",
}

impl Class {
    /// The name without package and outer class, for texts.
    pub fn short(self) -> &'static str {
        self.name().rsplit('$').next().unwrap_or_default()
    }

    /// Whether a server may be asked for it.
    pub fn is_request(self) -> bool {
        self.name().ends_with("Request")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference() {
        for class in Class::ALL {
            assert_eq!(Class::find(class.name().as_bytes()), Some(*class));
        }
        // Lengths as in wire.md 3.1.
        assert_eq!(Class::PingRequest.name().len(), 49);
        assert_eq!(Class::AppendEntriesResponse.name().len(), 59);
        assert_eq!(Class::GetLeaderRequest.name().len(), 54);
        assert_eq!(Class::LearnersOpResponse.name().len(), 56);
        assert_eq!(Class::PingRequest.short(), "PingRequest");
    }

    #[test]
    fn other_names_are_not_found() {
        let ping = Class::PingRequest.name();
        for name in ["", PACKAGE, &ping.to_lowercase(), &format!("{ping}\0"), &ping[1..], "x"] {
            assert_eq!(Class::find(name.as_bytes()), None, "{name}");
        }
        let mut invalid = ping.as_bytes().to_vec();
        invalid.push(0xff);
        assert_eq!(Class::find(&invalid), None);
    }
}
