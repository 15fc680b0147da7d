//! The options of a node (`NodeOptions`), which hold those of its parts.

use serde::{Deserialize, Deserializer};

use super::{
    choice::{ApplyPlace, ApplyTaskMode, ReadOnlyOption},
    error::{OptionError, OptionRow, OptionWarning},
    layer::{Layer, Place},
    raft::RaftOptions,
    rpc::RpcOptions,
    table::{Table, options},
    value::{Any, MAX, OrMinusOne},
};

options! {
    /// All options of a node, as pure data.
    ///
    /// ```
    /// # fn main() -> Result<(), jraft_spi::OptionError> {
    /// let mut options = jraft_spi::NodeOptions::default();
    /// options.set("electionTimeoutMs", "500")?;
    /// options.set_pair("raft.apply_batch=64")?;
    /// options.rpc.rpc_default_timeout = 2000;
    /// options.validate()
    /// # }
    /// ```
    pub struct NodeOptions {
        /// The fixed part of each election timeout, and how long a follower believes in a silent leader
        /// (milliseconds; Java: 1000).
        election_timeout_ms: u64 = 1000, 10..=MAX,
            because "heartbeats are at least 10 milliseconds apart, and a shorter timeout deposes healthy leaders";
        /// Peers of higher priority stand for election first; 0 never stands, -1 switches priorities off (Java: -1).
        election_priority: i32 = -1, OrMinusOne(0..=MAX), not_yet "it waits for election by priority";
        /// By how much, at least, the priority that is asked for sinks after an election nobody won
        /// (Java: 10, which is also the least that has an effect).
        decay_priority_gap: u32 = 10, 0..=MAX, not_yet "it waits for election by priority";
        /// How much of the election timeout the lease of a leader lasts (percent; Java: 90).
        leader_lease_time_ratio: u32 = 90, 1..=100,
            because "beyond the election timeout, others may elect a leader while the lease still holds";
        /// The time between snapshots; 0 or less takes none by itself (seconds; Java: 3600).
        snapshot_interval_secs: i64 = 3600, -MAX..=MAX, not_yet "it waits for snapshots";
        /// Takes no snapshot before this many entries were applied since the last one (entries; Java: 0).
        snapshot_log_index_margin: u64 = 0, 0..=MAX, not_yet "it waits for snapshots";
        /// A new peer counts as caught up, and joins, when it lacks at most this many entries (entries; Java: 1000).
        catchup_margin: u64 = 1000, 0..=MAX, not_yet "it waits for changes of membership";
        /// Before it fetches a snapshot, takes files it has already from its own last one (Java: false).
        filter_before_copy_remote: bool = false, Any, not_yet "it waits for snapshots";
        /// Refuses requests that administer the group, such as adding a peer (Java: false).
        disable_cli: bool = false, Any, not_yet "it waits for the requests that administer a group";
        /// Measures what the node does (Java: false).
        enable_metrics: bool = false, Any, not_yet "it waits for metrics";
        /// What happens to a task when the queue is full: `non_blocking` or `blocking` (Java: NonBlocking).
        apply_task_mode: ApplyTaskMode = ApplyTaskMode::NonBlocking, Any;
        /// Where the state machine runs: `lane`, a thread of its own, or `inline`, on the loop of the node (ours).
        apply_place: ApplyPlace = ApplyPlace::Lane, Any;
        parts {
            /// The options of the protocol and of the log.
            raft: RaftOptions,
            /// The options of the transport.
            rpc: RpcOptions,
        }
    }
}

impl NodeOptions {
    /// Takes over the options of a file, in any format that serde reads and that says what its values are.
    ///
    /// Names are in `camelCase` or `snake_case`. The options of the parts stand under `raft` (or `raftOptions`) and
    /// `rpc` (or `rpcOptions`), or flat beside the others. On an error nothing is changed.
    pub fn merge<'de, D: Deserializer<'de>>(
        &mut self,
        deserializer: D,
    ) -> Result<Vec<OptionWarning>, OptionError> {
        let layer = Layer::deserialize(deserializer)
            .map_err(|error| OptionError::Format { message: error.to_string() })?;
        let mut merged = self.clone();
        let warnings = merged.apply(Place::Anywhere, layer)?;
        *self = merged;
        Ok(warnings)
    }

    /// Gives one option a value, as text. The name is in `camelCase` or `snake_case`, bare or with the part before a
    /// dot: `applyBatch`, `raft.apply_batch`. On an error nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Vec<OptionWarning>, OptionError> {
        self.assign_named(Place::Anywhere, name, value).map(Vec::from_iter)
    }

    /// As [`NodeOptions::set`], from `name=value` with or without blanks around the parts.
    pub fn set_pair(&mut self, pair: &str) -> Result<Vec<OptionWarning>, OptionError> {
        let Some((name, value)) = pair.split_once('=') else {
            let (text, expected) = (pair.to_owned(), "name=value".to_owned());
            return Err(OptionError::Syntax { text, expected });
        };
        self.set(name.trim(), value.trim())
    }

    /// Whether a node can run with these options. The start of a node asks this too.
    pub fn validate(&self) -> Result<(), OptionError> {
        self.check()?;
        self.raft.check()?;
        self.rpc.check()?;
        for (name, bytes) in [
            ("max_body_size", self.raft.max_body_size),
            ("max_byte_count_per_rpc", self.raft.max_byte_count_per_rpc),
        ] {
            if self.rpc.max_frame_bytes <= bytes {
                return Err(OptionError::BadValue {
                    name: "max_frame_bytes".to_owned(),
                    value: self.rpc.max_frame_bytes.to_string(),
                    expected: format!(
                        "more than `{name}`, {bytes}: a full request must fit into a frame"
                    ),
                });
            }
        }
        Ok(())
    }

    /// What a node can run with but whoever runs it should know: options that weaken a promise, that do not go
    /// together, or that were changed and have no effect yet.
    pub fn warnings(&self) -> Vec<OptionWarning> {
        let mut warnings = Vec::new();
        self.list_risks(&mut warnings);
        self.list_without_effect(&mut warnings);
        self.raft.list_without_effect(&mut warnings);
        self.rpc.list_without_effect(&mut warnings);
        warnings
    }

    /// All options, those of the parts after the others, always in the same order.
    pub fn rows(&self) -> Vec<OptionRow> {
        let mut rows = Vec::new();
        self.list(&mut rows);
        self.raft.list(&mut rows);
        self.rpc.list(&mut rows);
        rows
    }

    fn list_risks(&self, warnings: &mut Vec<OptionWarning>) {
        let mut warn = |name, risky: bool, why: &str| {
            if risky {
                warnings.push(OptionWarning::new(name, why));
            }
        };
        let raft = &self.raft;
        let memory = raft.max_logs_in_memory_bytes;
        warn(
            "election_heartbeat_factor",
            self.heartbeat_ms().saturating_mul(3) > self.election_timeout_ms,
            "fewer than three heartbeats in an election timeout: one that is late can cost the leadership",
        );
        warn("sync", !raft.sync, "a power cut can lose entries that were acknowledged");
        warn(
            "enable_log_entry_checksum",
            !raft.enable_log_entry_checksum,
            "an entry damaged on the disk or on the way is applied as it is",
        );
        warn(
            "max_logs_in_memory_bytes",
            memory == -1,
            "a slow disk or state machine can fill the memory",
        );
        warn(
            "max_logs_in_memory_bytes",
            (0..i64::from(raft.max_body_size)).contains(&memory),
            "less than `max_body_size`: one request can be more than all that is let in",
        );
        warn(
            "leader_lease_time_ratio",
            raft.read_only_options == ReadOnlyOption::LeaseBased
                && self.leader_lease_time_ratio == 100,
            "lease-based reads without any room for clocks of different speed can be stale",
        );
        warn(
            "apply_place",
            self.apply_place == ApplyPlace::Inline
                && self.apply_task_mode == ApplyTaskMode::Blocking,
            "on the loop, a state machine that waits for room in the queue waits for itself",
        );
    }

    /// The time between heartbeats; the reference has the same floor.
    fn heartbeat_ms(&self) -> u64 {
        let heartbeats = u64::from(self.raft.election_heartbeat_factor.max(1));
        (self.election_timeout_ms / heartbeats).max(SHORTEST_HEARTBEAT_MS)
    }
}

const SHORTEST_HEARTBEAT_MS: u64 = 10;
