//! The options of a node: defaults against the reference's, all ways to write them, and what is refused.

use std::collections::BTreeSet;

use jraft_spi::{
    ApplyPlace, ApplyTaskMode, NodeOptions, OptionError, OptionRow, OptionWarning, RaftOptions,
    ReadOnlyOption, RpcOptions,
};

/// Class, declaring class, name, type and default of each option, read from the reference by reflection.
const JAVA: &str = include_str!("vectors/options-1.4.1.tsv");

/// Where our default differs from Java's on purpose, and what it is.
const DIFFERENT: [(&str, &str); 3] = [
    ("enableLogEntryChecksum", "true"),
    ("maxLogsInMemoryBytes", "268435456"),
    ("syncMeta", "true"),
];

/// Options that Java does not have.
const OURS: [&str; 5] = [
    "apply_place",
    "max_connections",
    "max_frame_bytes",
    "max_open_requests_per_connection",
    "wal_segment_bytes",
];

const WITHOUT_EFFECT: [&str; 14] = [
    "cliRpcThreadPoolSize",
    "disruptorPublishEventWaitTimeoutSecs",
    "enableBoltReconnect",
    "fileCheckHole",
    "openStatistics",
    "raftRpcThreadPoolSize",
    "rpcProcessorThreadPoolSize",
    "sharedElectionTimer",
    "sharedSnapshotTimer",
    "sharedStepDownTimer",
    "sharedTimerPool",
    "sharedVoteTimer",
    "startupOldStorage",
    "timerPoolSize",
];

const REFUSED: [&str; 10] = [
    "appendEntriesExecutors",
    "fsm",
    "initialConf",
    "logUri",
    "metricRegistry",
    "raftMetaUri",
    "serviceFactory",
    "snapshotTempUri",
    "snapshotThrottle",
    "snapshotUri",
];

/// Options that are read and kept, and wait for what they steer.
const NOT_YET: [&str; 14] = [
    "catchup_margin",
    "decay_priority_gap",
    "disable_cli",
    "election_priority",
    "enable_metrics",
    "enable_rpc_checksum",
    "filter_before_copy_remote",
    "max_append_buffer_size",
    "max_byte_count_per_rpc",
    "max_read_index_lag",
    "read_only_options",
    "rpc_install_snapshot_timeout",
    "snapshot_interval_secs",
    "snapshot_log_index_margin",
];

fn java_options() -> Vec<(&'static str, &'static str)> {
    let mut options = BTreeSet::new();
    for line in JAVA.lines().skip(1) {
        let [class, _, name, _, default] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("five columns in {line:?}")
        };
        let ours = ["NodeOptions", "RaftOptions", "RpcOptions"].contains(&class);
        if ours && name != "raftOptions" && !name.ends_with("(constant)") {
            options.insert((name, default));
        }
    }
    options.into_iter().collect()
}

fn snake_case(java: &str) -> String {
    java.chars().fold(String::new(), |mut name, c| {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
        name
    })
}

fn row(options: &NodeOptions, name: &str) -> Option<OptionRow> {
    options.rows().into_iter().find(|row| row.name == name)
}

fn value(options: &NodeOptions, name: &str) -> String {
    row(options, name).expect(name).value
}

fn names(warnings: &[OptionWarning]) -> Vec<&'static str> {
    let mut names: Vec<_> = warnings.iter().map(|warning| warning.name).collect();
    names.sort_unstable();
    names
}

/// Options of which each one that can differ from its default does.
fn all_changed() -> NodeOptions {
    let mut options = NodeOptions::default();
    for row in options.rows() {
        let other = match row.name {
            "sync_meta" => continue,
            "read_only_options" => "lease_based".to_owned(),
            "apply_task_mode" => "blocking".to_owned(),
            "apply_place" => "inline".to_owned(),
            _ => match row.value.as_str() {
                "true" => "false".to_owned(),
                "false" => "true".to_owned(),
                number => (number.parse::<i64>().expect(row.name) + 1).to_string(),
            },
        };
        options.set(row.name, &other).expect(row.name);
        assert_eq!(value(&options, row.name), other);
    }
    options
}

#[test]
fn each_default_is_the_references_or_differs_on_purpose() {
    let default = NodeOptions::default();
    let (mut different, mut without_effect, mut refused) = (vec![], vec![], vec![]);
    let mut known = BTreeSet::new();
    for (name, javas) in java_options() {
        let snake = snake_case(name);
        if let Some(row) = row(&default, &snake) {
            let (_, said) = row.doc.split_once("Java: ").expect(row.doc);
            let said = said.split([',', ')']).next();
            assert_eq!(said, Some(javas), "Java's default in the doc of {snake}");
            let mut options = NodeOptions::default();
            let javas = match options.set(name, javas) {
                Ok(_) => value(&options, &snake),
                Err(_) => javas.to_owned(),
            };
            if row.default != javas {
                different.push((name, row.default));
            }
            assert_eq!(row.value, value(&default, &snake));
            assert!(known.insert(snake));
            continue;
        }
        match NodeOptions::default().set(name, javas) {
            Ok(warnings) => {
                assert_eq!(names(&warnings), [snake]);
                without_effect.push(name);
            }
            Err(OptionError::Refused { .. }) => refused.push(name),
            Err(other) => panic!("{other}"),
        }
    }
    let different: Vec<_> = different.iter().map(|(name, ours)| (*name, ours.as_str())).collect();
    assert_eq!(different, DIFFERENT);
    assert_eq!(without_effect, WITHOUT_EFFECT);
    assert_eq!(refused, REFUSED);

    let rows = default.rows();
    let mut rest: Vec<_> = rows.iter().filter(|row| !known.contains(row.name)).collect();
    rest.sort_unstable_by_key(|row| row.name);
    assert_eq!(rest.iter().map(|row| row.name).collect::<Vec<_>>(), OURS);
    assert!(rest.iter().all(|row| row.doc.ends_with("ours).")), "{rest:?}");
}

#[test]
fn the_defaults_pass_without_a_warning() {
    let options = NodeOptions::default();
    options.validate().unwrap();
    assert_eq!(options.warnings(), []);
    assert_eq!(options.apply_place, ApplyPlace::Lane);
    assert_eq!(options.raft.wal_segment_bytes, 64 * 1024 * 1024);
    assert_eq!(options.rpc.max_frame_bytes, 64 * 1024 * 1024);
    assert_eq!(options.rpc.max_connections, 1024);
    assert_eq!(options.rpc.max_open_requests_per_connection, 4096);
}

#[test]
fn rows_are_lines_with_distinct_names() {
    let rows = NodeOptions::default().rows();
    assert_eq!(rows[0].name, "election_timeout_ms");
    assert_eq!(rows.iter().map(|row| row.name).collect::<BTreeSet<_>>().len(), rows.len());
    for row in &rows {
        assert!(row.doc.ends_with(").") && !row.doc.contains('\n') && !row.doc.contains("  "));
        assert_eq!(row.value, row.default);
    }
}

#[test]
fn set_takes_each_way_to_write_a_name() {
    for name in [
        "apply_batch",
        "applyBatch",
        "raft.apply_batch",
        "raft.applyBatch",
        "raft_options.apply_batch",
        "raftOptions.applyBatch",
    ] {
        let mut options = NodeOptions::default();
        assert_eq!(options.set(name, "7").unwrap(), [], "{name}");
        let mut expected = NodeOptions::default();
        expected.raft.apply_batch = 7;
        assert_eq!(options, expected, "{name}");
    }
    let mut options = NodeOptions::default();
    options.set_pair(" rpcOptions.rpcDefaultTimeout = 9 ").unwrap();
    options.set_pair("electionTimeoutMs=77").unwrap();
    assert_eq!((options.rpc.rpc_default_timeout, options.election_timeout_ms), (9, 77));
}

#[test]
fn choices_are_read_as_java_writes_them() {
    let mut options = NodeOptions::default();
    for (text, expected) in [
        ("ReadOnlyLeaseBased", ReadOnlyOption::LeaseBased),
        ("ReadOnlySafe", ReadOnlyOption::Safe),
        ("lease_based", ReadOnlyOption::LeaseBased),
        ("safe", ReadOnlyOption::Safe),
    ] {
        options.set("readOnlyOptions", text).unwrap();
        assert_eq!(options.raft.read_only_options, expected);
    }
    options.set("applyTaskMode", "Blocking").unwrap();
    options.set("apply_place", "inline").unwrap();
    assert_eq!(options.apply_task_mode, ApplyTaskMode::Blocking);
    assert_eq!(options.apply_place, ApplyPlace::Inline);
    let error = options.set("apply_task_mode", "sometimes").unwrap_err().to_string();
    assert_eq!(
        error,
        "option `apply_task_mode` cannot be `sometimes`: expected `non_blocking` or `blocking`"
    );
}

#[test]
fn files_in_toml_and_json_nested_and_flat_in_both_styles() {
    let mut expected = NodeOptions::default();
    expected.election_timeout_ms = 300;
    expected.apply_task_mode = ApplyTaskMode::Blocking;
    expected.raft.step_down_when_vote_timedout = false;
    expected.raft.max_logs_in_memory_bytes = -1;
    expected.rpc.rpc_default_timeout = 700;
    for file in [
        "election_timeout_ms = 300\napply_task_mode = 'blocking'\n\
         [raft]\nstep_down_when_vote_timedout = false\nmax_logs_in_memory_bytes = -1\n\
         [rpc]\nrpc_default_timeout = 700",
        "electionTimeoutMs = 300\napplyTaskMode = 'Blocking'\n\
         raftOptions = { stepDownWhenVoteTimedout = false, maxLogsInMemoryBytes = -1 }\n\
         rpcOptions = { rpcDefaultTimeout = 700 }",
        "election_timeout_ms = '300'\napplyTaskMode = 'Blocking'\nrpc_default_timeout = 700\n\
         step_down_when_vote_timedout = 'false'\nmaxLogsInMemoryBytes = -1",
        "election_timeout_ms = 300\napplyTaskMode = 'Blocking'\nrpc.rpcDefaultTimeout = 700\n\
         raft.stepDownWhenVoteTimedout = false\nraft_options.maxLogsInMemoryBytes = -1",
    ] {
        let mut options = NodeOptions::default();
        assert_eq!(options.merge(toml::Deserializer::parse(file).unwrap()).unwrap(), []);
        assert_eq!(options, expected, "{file}");
        assert_eq!(toml::from_str::<NodeOptions>(file).unwrap(), expected, "{file}");

        let json = toml::from_str::<toml::Table>(file).unwrap();
        let json = serde_json::to_string(&json).unwrap();
        let mut options = NodeOptions::default();
        options.merge(&mut serde_json::Deserializer::from_str(&json)).unwrap();
        assert_eq!(options, expected, "{json}");
    }
}

#[test]
fn a_later_layer_keeps_what_it_does_not_name() {
    let mut options = NodeOptions::default();
    options.raft.apply_batch = 5;
    options.merge(toml::Deserializer::parse("raft.max_body_size = 6").unwrap()).unwrap();
    options.set("maxEntriesSize", "7").unwrap();
    let raft = &options.raft;
    assert_eq!((raft.apply_batch, raft.max_body_size, raft.max_entries_size), (5, 6, 7));
}

#[test]
fn the_parts_read_themselves_and_nothing_else() {
    let raft: RaftOptions = toml::from_str("applyBatch = 3\nmax_body_size = 4").unwrap();
    assert_eq!((raft.apply_batch, raft.max_body_size, raft.max_entries_size), (3, 4, 1024));
    let rpc: RpcOptions = serde_json::from_str(r#"{"rpcDefaultTimeout": 8}"#).unwrap();
    assert_eq!(rpc.rpc_default_timeout, 8);
    let error = serde_json::from_str::<RpcOptions>(r#"{"applyBatch": 8}"#).unwrap_err();
    let expected = "unknown option `rpc.applyBatch`; did you mean `raft.applyBatch`?";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn what_is_written_is_read_back() {
    let options = all_changed();
    for row in options.rows() {
        assert_eq!(row.value == row.default, row.name == "sync_meta", "{}", row.name);
    }
    let text = toml::to_string(&options).unwrap();
    let mut back = NodeOptions::default();
    let warnings = back.merge(toml::Deserializer::parse(&text).unwrap()).unwrap();
    assert_eq!(back, options);
    assert_eq!(names(&warnings), NOT_YET);
    let json = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<NodeOptions>(&json).unwrap(), options);

    let mut by_rows = NodeOptions::default();
    for row in options.rows() {
        by_rows.set(row.name, &row.value).unwrap();
    }
    assert_eq!(by_rows, options);
}

#[test]
fn unknown_names_get_the_nearest_in_their_own_style() {
    for (name, nearest) in [
        ("electoin_timeout_ms", Some("election_timeout_ms")),
        ("electionTimoutMs", Some("electionTimeoutMs")),
        ("ElectionTimeoutMs", Some("electionTimeoutMs")),
        ("election-timeout-ms", Some("election_timeout_ms")),
        ("election_timeout", Some("election_timeout_ms")),
        ("election_timeoutMs", Some("electionTimeoutMs")),
        ("sycn", Some("sync")),
        ("raft.aplyBatch", Some("raft.applyBatch")),
        ("raft.rpc_default_timeout", Some("rpc.rpc_default_timeout")),
        ("rpc.election_timeout_ms", Some("election_timeout_ms")),
        ("timerPoolsize", Some("timerPoolSize")),
        ("colour", None),
        ("", None),
        ("log.sync", None),
    ] {
        let error = NodeOptions::default().set(name, "1").unwrap_err();
        let nearest = nearest.map(str::to_owned);
        assert_eq!(error, OptionError::Unknown { name: name.to_owned(), nearest });
    }
    let error = NodeOptions::default().set("sycn", "true").unwrap_err();
    assert_eq!(error.to_string(), "unknown option `sycn`; did you mean `sync`?");
    let error = NodeOptions::default().set("colour", "red").unwrap_err();
    assert_eq!(error.to_string(), "unknown option `colour`");
    let long = "election_timeout_ms".repeat(1000);
    let error = NodeOptions::default().set(&long, "1").unwrap_err();
    assert_eq!(error, OptionError::Unknown { name: long, nearest: None });
}

#[test]
fn a_file_with_an_error_changes_nothing() {
    for (file, part_of_error) in [
        ("sync = false\nsycn = true", "did you mean `sync`?"),
        (
            "sync = false\nraft.aplyBatch = 3",
            "unknown option `raft.aplyBatch`; did you mean `raft.applyBatch`?",
        ),
        ("sync = false\nrft = { sync = true }", "did you mean `raft`?"),
        ("sync = false\nraft = 5", "`raft` cannot be `5`: expected a table of options"),
        (
            "sync = false\napply_batch = 0",
            "`apply_batch` cannot be `0`: expected a whole number from 1 to",
        ),
        ("sync = false\napply_batch = 1.5", "`apply_batch` cannot be `1.5`"),
        ("sync = false\napply_batch = [1]", "`apply_batch` cannot be `a list`"),
        ("sync = false\napply_batch = { x = 1 }", "`apply_batch` cannot be `a table`"),
        ("sync = false\nraft.sync = false", "`sync` is given twice"),
        ("apply_batch = 3\nraftOptions.applyBatch = 3", "is given twice"),
        ("timer_pool_size = 3\ntimerPoolSize = 3", "is given twice"),
        ("sync = false\nsync_meta = false", "may vote twice"),
        ("sync = false\nfsm = 'com.example.Fsm'", "`.start(fsm)`"),
    ] {
        let mut options = NodeOptions::default();
        let error = options.merge(toml::Deserializer::parse(file).unwrap()).unwrap_err();
        assert!(error.to_string().contains(part_of_error), "{file}: {error}");
        assert_eq!(options, NodeOptions::default(), "{file}");
        let error = toml::from_str::<NodeOptions>(file).unwrap_err();
        assert!(error.to_string().contains(part_of_error), "{file}: {error}");
    }
    for (json, part_of_error) in [
        ("[1]", "`a list` is no option: expected a table of options"),
        ("7", "`7` is no option: expected a table of options"),
        ("null", "`nothing` is no option"),
        (r#"{"applyBatch": null}"#, "`apply_batch` cannot be `nothing`"),
        (r#"{"sync": false, "applyBatch": }"#, "cannot read options: expected value at line 1"),
    ] {
        let mut options = NodeOptions::default();
        let file = &mut serde_json::Deserializer::from_str(json);
        let error = options.merge(file).unwrap_err();
        assert!(error.to_string().contains(part_of_error), "{json}: {error}");
        assert_eq!(options, NodeOptions::default(), "{json}");
    }
}

#[test]
fn values_beyond_their_limits_cannot_be_set() {
    for (name, bad, good) in [
        ("election_timeout_ms", "9", "10"),
        ("election_timeout_ms", "2147483648", "2147483647"),
        ("election_timeout_ms", "-1", "1000"),
        ("election_timeout_ms", "1s", "1000"),
        ("election_priority", "-2", "-1"),
        ("leader_lease_time_ratio", "0", "1"),
        ("leader_lease_time_ratio", "101", "100"),
        ("election_heartbeat_factor", "0", "1"),
        ("max_election_delay_ms", "0", "1"),
        ("max_logs_in_memory_bytes", "-2", "-1"),
        ("max_logs_in_memory_bytes", "0", "1"),
        ("max_logs_in_memory_bytes", "9223372036854775808", "9223372036854775807"),
        ("max_read_index_lag", "-2", "0"),
        ("snapshot_interval_secs", "2147483648", "-1"),
        ("wal_segment_bytes", "4095", "4096"),
        ("max_connections", "0", "1"),
        ("sync_meta", "false", "true"),
        ("sync", "yes", "true"),
    ] {
        let mut options = NodeOptions::default();
        let error = options.set(name, bad).unwrap_err();
        assert!(
            matches!(&error, OptionError::BadValue { name: n, value, .. } if n == name && value == bad),
            "{error}"
        );
        assert_eq!(options, NodeOptions::default());
        options.set(name, good).expect(name);
        assert_eq!(value(&options, name), good);
        options.validate().expect(name);
    }
}

#[test]
fn what_code_has_set_is_validated() {
    type Spoil = fn(&mut NodeOptions);
    let spoiled: [(Spoil, &str); 6] = [
        (
            |o| o.election_timeout_ms = 9,
            "option `election_timeout_ms` cannot be `9`: expected a whole number from 10 to 2147483647: \
             heartbeats are at least 10 milliseconds apart, and a shorter timeout deposes healthy leaders",
        ),
        (
            |o| o.raft.sync_meta = false,
            "option `sync_meta` cannot be `false`: expected `true`: term and vote are always durable, \
             since a node that forgets its vote may vote twice in a term",
        ),
        (
            |o| o.rpc.max_connections = 0,
            "option `max_connections` cannot be `0`: expected a whole number from 1 to 2147483647",
        ),
        (
            |o| o.raft.max_logs_in_memory_bytes = 0,
            "option `max_logs_in_memory_bytes` cannot be `0`: \
             expected -1 or a whole number from 1 to 9223372036854775807",
        ),
        (
            |o| o.rpc.max_frame_bytes = 524_288,
            "option `max_frame_bytes` cannot be `524288`: \
             expected more than `max_body_size`, 524288: a full request must fit into a frame",
        ),
        (
            |o| o.raft.max_byte_count_per_rpc = 64 << 20,
            "option `max_frame_bytes` cannot be `67108864`: \
             expected more than `max_byte_count_per_rpc`, 67108864: a full request must fit into a frame",
        ),
    ];
    for (spoil, expected) in spoiled {
        let mut options = NodeOptions::default();
        spoil(&mut options);
        assert_eq!(options.validate().unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_pair_has_an_equals_sign() {
    let mut options = NodeOptions::default();
    let error = options.set_pair("sync").unwrap_err();
    assert_eq!(error.to_string(), "`sync` is no option: expected name=value");
    let error = options.set_pair("sync=a=b").unwrap_err();
    assert_eq!(error.to_string(), "option `sync` cannot be `a=b`: expected `true` or `false`");
    assert_eq!(options, NodeOptions::default());
}

#[test]
fn warnings_name_what_has_no_effect_or_is_risky() {
    let mut options = NodeOptions::default();
    let warnings = options.set("timerPoolSize", "6").unwrap();
    assert_eq!(
        warnings[0].to_string(),
        "option `timer_pool_size`: has no effect: all nodes of a runtime share its timers"
    );
    assert_eq!(options, NodeOptions::default());
    let warnings = options.set("snapshotIntervalSecs", "60").unwrap();
    assert_eq!(
        warnings[0].to_string(),
        "option `snapshot_interval_secs`: accepted, and has no effect yet: it waits for snapshots"
    );
    assert_eq!(options.snapshot_interval_secs, 60);

    type Change = fn(&mut NodeOptions);
    let risky: [(Change, &[&str]); 10] = [
        (|o| o.raft.election_heartbeat_factor = 3, &[]),
        (|o| o.raft.election_heartbeat_factor = 2, &["election_heartbeat_factor"]),
        (|o| o.election_timeout_ms = 30, &[]),
        (|o| o.election_timeout_ms = 29, &["election_heartbeat_factor"]),
        (|o| o.raft.sync = false, &["sync"]),
        (|o| o.raft.enable_log_entry_checksum = false, &["enable_log_entry_checksum"]),
        (|o| o.raft.max_logs_in_memory_bytes = -1, &["max_logs_in_memory_bytes"]),
        (|o| o.raft.max_logs_in_memory_bytes = 524_288, &[]),
        (|o| o.raft.max_logs_in_memory_bytes = 524_287, &["max_logs_in_memory_bytes"]),
        (|o| o.snapshot_interval_secs = 60, &["snapshot_interval_secs"]),
    ];
    for (change, expected) in risky {
        let mut options = NodeOptions::default();
        change(&mut options);
        assert_eq!(names(&options.warnings()), expected);
    }

    let mut options = NodeOptions::default();
    options.raft.read_only_options = ReadOnlyOption::LeaseBased;
    options.leader_lease_time_ratio = 100;
    assert_eq!(names(&options.warnings()), ["leader_lease_time_ratio", "read_only_options"]);
    let mut options = NodeOptions::default();
    options.apply_place = ApplyPlace::Inline;
    options.apply_task_mode = ApplyTaskMode::Blocking;
    assert_eq!(names(&options.warnings()), ["apply_place"]);
    let all = all_changed().warnings();
    assert!(NOT_YET.iter().all(|name| names(&all).contains(name)), "{all:?}");
}
