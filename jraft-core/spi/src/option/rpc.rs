//! The options of the transport (`RpcOptions`, from which Java's `NodeOptions` inherits).

use super::{
    table::options,
    value::{Any, MAX},
};

options! {
    /// The options of the transport: the `rpc` part of [`NodeOptions`](super::NodeOptions).
    pub struct RpcOptions {
        /// How long connecting to a peer may take (milliseconds; Java: 1000).
        rpc_connect_timeout_ms: u64 = 1000, 1..=MAX;
        /// How long a request without a limit of its own waits for its answer (milliseconds; Java: 5000).
        rpc_default_timeout: u64 = 5000, 1..=MAX;
        /// How long a follower may take to install a snapshot (milliseconds; Java: 300000).
        rpc_install_snapshot_timeout: u64 = 300_000, 1..=MAX, not_yet "it waits for snapshots";
        /// Adds a checksum to each frame that is sent; those that arrive are always verified (Java: false).
        enable_rpc_checksum: bool = false, Any,
            not_yet "frames of bolt's first version have no room for one; it waits for the second";
        /// The largest frame that is sent or accepted; a larger one closes its connection (bytes; ours).
        max_frame_bytes: u32 = 64 << 20, 1024..=MAX;
        /// The most connections that are accepted at a time; further ones are closed at once (connections; ours).
        max_connections: u32 = 1024, 1..=MAX;
        /// The most unanswered requests of one connection; then it is not read until one is answered (requests; ours).
        max_open_requests_per_connection: u32 = 4096, 1..=MAX;
    }
}
