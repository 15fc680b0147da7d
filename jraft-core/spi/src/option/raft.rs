//! The options of the protocol and of the log (`RaftOptions`).

use super::{
    choice::ReadOnlyOption,
    table::options,
    value::{AlwaysTrue, Any, MAX, OrMinusOne},
};

options! {
    /// The options of the protocol and of the log: the `raft` part of [`NodeOptions`](super::NodeOptions).
    pub struct RaftOptions {
        /// The part of a snapshot file that one request fetches (bytes; Java: 131072).
        max_byte_count_per_rpc: u32 = 131_072, 1..=MAX, not_yet "it waits for snapshots";
        /// The most entries in one AppendEntries request, of which a peer takes up to 65536 (entries; Java: 1024).
        max_entries_size: u32 = 1024, 1..=65_536;
        /// The most data in one AppendEntries request, unless its only entry is larger (bytes; Java: 524288).
        max_body_size: u32 = 524_288, 1..=MAX;
        /// The most data that is gathered for one write to the log, unless one entry is larger (bytes; Java: 262144).
        max_append_buffer_size: u32 = 262_144, 1..=MAX,
            not_yet "the log takes all that waits at once, up to 4 MiB";
        /// The random part of each election timeout, so that peers do not stand at the same time
        /// (milliseconds; Java: 1000).
        max_election_delay_ms: u64 = 1000, 1..=MAX, because "without chance, elections collide for ever";
        /// Stops taking entries when those in memory, not yet on disk or not yet applied, are this much; -1 is without
        /// limit (bytes; Java: -1, with which a slow disk fills the memory).
        max_logs_in_memory_bytes: i64 = 256 << 20, OrMinusOne(1..=i64::MAX);
        /// How many heartbeats a leader sends in one election timeout (heartbeats; Java: 10).
        election_heartbeat_factor: u32 = 10, 1..=MAX;
        /// The most tasks or reads that are taken from their queue at a time (tasks; Java: 32).
        apply_batch: u32 = 32, 1..=MAX;
        /// Syncs the log to the disk before an entry counts as stored; without it a power cut can lose what was
        /// acknowledged (Java: true).
        sync: bool = true, Any;
        /// Syncs term and vote to the disk before they count; cannot be switched off (Java: false).
        sync_meta: bool = true, AlwaysTrue,
            because "term and vote are always durable, since a node that forgets its vote may vote twice in a term";
        /// Sends further entries before the earlier ones are acknowledged (Java: true).
        replicator_pipeline: bool = true, Any;
        /// The most unanswered AppendEntries requests to one peer (requests; Java: 256).
        max_replicator_inflight_msgs: u32 = 256, 1..=MAX;
        /// The room of each queue of a node: tasks, reads and entries to apply (events; Java: 16384).
        disruptor_buffer_size: u32 = 16384, 1..=MAX;
        /// Keeps a checksum with each entry, and verifies it when the entry is read or received
        /// (Java: false, with which a damaged entry is applied).
        enable_log_entry_checksum: bool = true, Any;
        /// How reads make sure that the leader is still the leader: `safe` or `lease_based` (Java: ReadOnlySafe).
        read_only_options: ReadOnlyOption = ReadOnlyOption::Safe, Any, not_yet "it waits for `read_index`";
        /// How far a follower may lag behind the leader's commit and still serve reads; -1 is without limit
        /// (entries; Java: -1).
        max_read_index_lag: i64 = -1, OrMinusOne(0..=MAX), not_yet "it waits for `read_index`";
        /// A candidate whose vote timed out goes back to asking whether it could win, before it raises the term again
        /// (Java: true).
        step_down_when_vote_timedout: bool = true, Any;
        /// The size of the files the log is cut into (bytes; ours).
        wal_segment_bytes: u64 = 64 << 20, 4096..=LARGEST_SEGMENT;
    }
}

/// One tebibyte: more in one file is a typing error.
const LARGEST_SEGMENT: i64 = 1 << 40;
