//! Who may know whom, read from `use` lines and paths (ARCHITECTURE.md, the code map).

use super::source::{Source, has_word};
use super::{assert_clean, assert_finds, repository};

/// The files in which a node decides: pure, same input, same output.
const DECISIONS: [&str; 15] = [
    "jraft-core/src/ballot_box.rs",
    "jraft-core/src/log/buffer.rs",
    "jraft-core/src/log/mod.rs",
    "jraft-core/src/log/terms.rs",
    "jraft-core/src/node/append.rs",
    "jraft-core/src/node/apply.rs",
    "jraft-core/src/node/effect.rs",
    "jraft-core/src/node/election.rs",
    "jraft-core/src/node/gate.rs",
    "jraft-core/src/node/leadership.rs",
    "jraft-core/src/node/promise.rs",
    "jraft-core/src/node/replication.rs",
    "jraft-core/src/node/state.rs",
    "jraft-core/src/node/vote.rs",
    "jraft-core/src/replicator.rs",
];

/// What decisions may bring in: values. A name that ends in `::` stands for all below it.
const VALUES: &[&str] = &[
    "std::collections::BTreeMap",
    "std::collections::BTreeSet",
    "std::collections::VecDeque",
    "std::sync::Arc",
    "std::time::Duration",
    "bytes::Bytes",
    "jraft_spi::message::",
    // Nothing but for a simulator.
    "jraft_spi::mutant",
    "jraft_spi::sim_point",
    "jraft_spi::status::",
    // Time comes as a value; the clock does not.
    "jraft_spi::env::MonoTime",
    // Of the ports, what they carry.
    "jraft_spi::rpc::RpcError",
    "jraft_spi::storage::RaftMeta",
    "jraft_spi::storage::ReadLimit",
    "jraft_spi::storage::Recovered",
    "crate::ballot_box::",
    "crate::closure::",
    "crate::fsm::FsmNotice",
    "crate::log::BatchLimit",
    "crate::log::Filling",
    "crate::log::EntrySlice",
    "crate::log::Log",
    "crate::log::LogTicket",
    "crate::log::MetaTicket",
    "crate::replicator::",
    "super::effect::",
    "super::gate::",
    "super::state::",
    "buffer::",
    "terms::",
];

/// Words that mean waiting, threads, chance or the outside world.
const NOT_IN_DECISIONS: [&str; 14] = [
    "async",
    "await",
    "slog",
    "parking_lot",
    "tokio",
    "Mutex",
    "RwLock",
    "Instant",
    "SystemTime",
    "Clock",
    "Rng",
    "Spawner",
    "Env",
    "thread",
];

fn decisions_are_pure(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| DECISIONS.contains(&file.path.as_str())) {
        let is_effect = file.path.ends_with("effect.rs");
        for path in file.uses() {
            let reply = is_effect && path == "tokio::sync::oneshot";
            if !reply && !is_value(&path) {
                found.push(format!("{} decides, and must not know {path}", file.path));
            }
        }
        for word in NOT_IN_DECISIONS {
            let reply = is_effect && word == "tokio";
            if !reply && has_word(file.product_code(), word) {
                found.push(format!("{} decides, and must not know `{word}`", file.path));
            }
        }
    }
    found
}

fn is_value(path: &str) -> bool {
    // Entities stand at the root of the vocabulary, and are types: their names begin with a capital.
    let entity = path.strip_prefix("jraft_spi::").is_some_and(|name| {
        !name.contains("::") && name.starts_with(|first: char| first.is_ascii_uppercase())
    });
    entity
        || VALUES.iter().any(|value| match value.ends_with("::") {
            true => path.starts_with(value),
            false => path == *value,
        })
}

/// Where something may be named, and by whom only.
const OWNERS: &[(&str, &str, &[&str])] = &[
    // The two adapters.
    ("jraft_rpc", "jraft-core/src/", &["jraft-core/src/assemble/"]),
    ("jraft_storage", "jraft-core/src/", &["jraft-core/src/assemble/"]),
    // The state of a node, behind its door.
    ("NodeState", "jraft-core/src/", &["jraft-core/src/node/"]),
    (
        "RwLock",
        "jraft-core/src/node/",
        &["jraft-core/src/node/shared.rs", "jraft-core/src/node/manager.rs"],
    ),
    // The locks, which panic in a simulation instead of waiting, and what explores schedules of threads.
    ("parking_lot", "jraft-core/src/", &["jraft-core/src/sync/"]),
    ("shuttle", "jraft-core/src/", &["jraft-core/src/sync/"]),
    // The disk's owner, the state machine's owner.
    ("LogStorage", "jraft-core/src/", &["jraft-core/src/log/lane.rs", "jraft-core/src/memory/"]),
    ("RaftMetaStorage", "jraft-core/src/node/", &["jraft-core/src/node/lifecycle.rs"]),
    ("on_apply", "jraft-core/src/fsm/", &["jraft-core/src/fsm/"]),
    // The wire's own types.
    ("prost", "jraft-core/src/", &[]),
    ("pb", "jraft-core/src/", &[]),
];

fn things_have_owners(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (word, within, owners) in OWNERS {
        let others = files.iter().filter(|file| {
            file.is_rust()
                && !file.is_test()
                && file.path.starts_with(within)
                && !owners.iter().any(|owner| file.path.starts_with(owner))
        });
        for file in others.filter(|file| has_word(file.product_code(), word)) {
            found.push(format!("{} names {word}, which belongs to {owners:?}", file.path));
        }
    }
    found
}

/// A folder, and what nothing in it may bring in.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "jraft-core/src/fsm/",
        &["crate::log::lane", "crate::node::shared", "crate::assemble", "crate::app"],
    ),
    (
        "jraft-core/src/log/",
        &["crate::fsm", "crate::node::shared", "crate::assemble", "crate::app", "crate::closure"],
    ),
    (
        "jraft-core/src/timer/",
        &["crate::node", "crate::fsm", "crate::log", "crate::assemble", "crate::app"],
    ),
    ("jraft-core/src/closure/", &["crate::fsm", "crate::log", "crate::assemble", "crate::app"]),
    (
        "jraft-core/src/memory/",
        &["crate::node", "crate::fsm", "crate::log", "crate::assemble", "crate::app"],
    ),
    ("jraft-core/src/node/", &["crate::assemble", "crate::app", "crate::memory"]),
];

fn rooms_keep_to_themselves(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, strangers) in STRANGERS {
        for file in files.iter().filter(|file| file.path.starts_with(folder) && !file.is_test()) {
            for path in file.uses() {
                let stranger = strangers.iter().find(|stranger| {
                    path == **stranger || path.starts_with(&format!("{stranger}::"))
                });
                if stranger.is_some() {
                    found.push(format!("{} must not know {path}", file.path));
                }
            }
        }
    }
    found
}

/// A package, and the packages that it names nowhere: not in its code, its tests or its manifest.
const PACKAGES: &[(&str, &[&str])] = &[
    (
        "jraft-core/spi/",
        &["jraft_core", "jraft_rpc", "jraft_storage", "jraft_example", "jraft_tests"],
    ),
    ("jraft-rpc/", &["jraft_core", "jraft_storage", "jraft_example", "jraft_tests"]),
    ("jraft-storage/", &["jraft_core", "jraft_rpc", "jraft_example", "jraft_tests"]),
    ("jraft-core/", &["jraft_example", "jraft_tests"]),
    ("jraft-example/", &["jraft_rpc", "jraft_storage", "jraft_spi", "jraft_tests"]),
];

fn packages_know_only_lower_ones(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, strangers) in PACKAGES {
        for file in files.iter().filter(|file| file.path.starts_with(folder)) {
            let code = match file.path.rsplit('.').next() {
                Some("rs") => file.code.clone(),
                Some("toml") => without_hash_comments(&file.text).replace('-', "_"),
                _ => continue,
            };
            for stranger in strangers.iter().filter(|stranger| has_word(&code, stranger)) {
                found.push(format!("{} must not name {stranger}", file.path));
            }
        }
    }
    found
}

fn without_hash_comments(toml: &str) -> String {
    toml.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `select!` looks at its branches in order, or a run cannot be repeated.
fn selects_are_biased(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in
        files.iter().filter(|file| file.is_rust() && !file.path.starts_with("jraft-example"))
    {
        for (at, _) in file.code.match_indices("select! {") {
            if !file.code[at + "select! {".len()..].trim_start().starts_with("biased;") {
                found.push(format!(
                    "{}:{}: `select!` without `biased;`",
                    file.path,
                    file.line_of(at)
                ));
            }
        }
    }
    found
}

#[test]
fn decisions_know_values_only() {
    assert_clean(&decisions_are_pure(&repository()));
    for (count, planted) in [
        (2, "use jraft_spi::env::Clock as _;"),
        (1, "use jraft_spi::storage::LogReader;"),
        (2, "use parking_lot::Once;"),
        (2, "use tokio::sync::oneshot;"),
        (1, "use super::shared::Disks;"),
        (1, "use crate::log::lane::LogLane;"),
        (1, "fn f() { std::thread::yield_now() }"),
        (
            0,
            "use jraft_spi::{PeerId, Term};\n// async\n#[cfg(test)]\nmod tests {\nuse tokio::x;\n}",
        ),
    ] {
        assert_finds(count, "jraft-core/src/node/vote.rs", planted, decisions_are_pure);
    }
    assert_finds(
        0,
        "jraft-core/src/node/effect.rs",
        "use tokio::sync::oneshot;",
        decisions_are_pure,
    );
    assert_finds(0, "jraft-core/src/node/turn.rs", "use tokio::sync::watch;", decisions_are_pure);
}

#[test]
fn every_file_of_the_node_is_known_to_this_suite() {
    // A new file is either one that decides, or one of these.
    let others = [
        "mod",
        "entrance",
        "inspect",
        "lifecycle",
        "manager",
        "proposal",
        "reader",
        "settle",
        "shared",
        "timers",
        "turn",
        "view",
    ];
    let files = repository();
    let node = files
        .iter()
        .filter(|file| file.path.starts_with("jraft-core/src/node/") && !file.is_test());
    for file in node {
        let stem = file.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
        let known = others.contains(&stem) || DECISIONS.contains(&file.path.as_str());
        assert!(known, "{}: does it decide? then list it as pure here", file.path);
    }
    for path in DECISIONS {
        assert!(files.iter().any(|file| file.path == path), "{path} is gone");
    }
}

#[test]
fn things_are_named_by_their_owners_only() {
    assert_clean(&things_have_owners(&repository()));
    let planted = "fn f(disk: &mut dyn LogStorage, net: jraft_rpc::X) {}";
    assert_finds(2, "jraft-core/src/fsm/room.rs", planted, things_have_owners);
    assert_finds(1, "jraft-core/src/log/lane.rs", planted, things_have_owners);
    assert_finds(0, "jraft-core/src/fsm/room.rs", "// NodeState", things_have_owners);
    let planted = "use parking_lot::Mutex;";
    assert_finds(1, "jraft-core/src/timer/driver.rs", planted, things_have_owners);
    assert_finds(0, "jraft-core/src/sync/mod.rs", planted, things_have_owners);
}

#[test]
fn rooms_do_not_know_each_others_insides() {
    assert_clean(&rooms_keep_to_themselves(&repository()));
    let planted = "use crate::log::{EntrySlice, lane::LogLane};";
    assert_finds(1, "jraft-core/src/fsm/room.rs", planted, rooms_keep_to_themselves);
    assert_finds(0, "jraft-core/src/node/turn.rs", planted, rooms_keep_to_themselves);
}

#[test]
fn packages_name_only_those_below_them() {
    assert_clean(&packages_know_only_lower_ones(&repository()));
    assert_finds(1, "jraft-rpc/tests/x.rs", "use jraft_core::Node;", packages_know_only_lower_ones);
    assert_finds(1, "jraft-storage/Cargo.toml", "jraft-rpc = \"1\"", packages_know_only_lower_ones);
    assert_finds(0, "jraft-storage/src/x.rs", "//! Not jraft_core.", packages_know_only_lower_ones);
}

#[test]
fn every_select_is_biased() {
    assert_clean(&selects_are_biased(&repository()));
    let planted = "async fn f() { tokio::select! {\n a = b => {} } }";
    assert_finds(1, "jraft-rpc/src/x.rs", planted, selects_are_biased);
}
