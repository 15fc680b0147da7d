//! The names of options: Java's two styles of writing, Java's options that are none here, and what a wrong name meant.

/// Options of Java that change nothing here, and why. They are accepted, with a warning.
pub(super) const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("shared_timer_pool", TIMERS),
    ("timer_pool_size", TIMERS),
    ("shared_election_timer", TIMERS),
    ("shared_vote_timer", TIMERS),
    ("shared_step_down_timer", TIMERS),
    ("shared_snapshot_timer", TIMERS),
    ("cli_rpc_thread_pool_size", THREADS),
    ("raft_rpc_thread_pool_size", THREADS),
    ("rpc_processor_thread_pool_size", THREADS),
    ("file_check_hole", "has no effect: files of a snapshot are read as they are, holes included"),
    ("open_statistics", "has no effect: it switches statistics of RocksDB, which is not used"),
    (
        "disruptor_publish_event_wait_timeout_secs",
        "has no effect: nothing waits for a full queue, it answers busy",
    ),
    ("startup_old_storage", "has no effect: there is no older format of the log"),
    (
        "enable_bolt_reconnect",
        "has no effect: a lost connection is always made again when it is needed",
    ),
];

/// Options of Java that are objects or paths, and where they are said here.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("fsm", "the state machine is given to the builder: `.start(fsm)`"),
    ("initial_conf", "the first members are given to the builder: `.initial_conf(..)`"),
    ("log_uri", DATA_DIR),
    ("raft_meta_uri", DATA_DIR),
    ("snapshot_uri", DATA_DIR),
    ("snapshot_temp_uri", DATA_DIR),
    (
        "service_factory",
        "storages are given to the builder: `.log_engine(..)`, `.meta_storage(..)`, `.snapshot_storage(..)`",
    ),
    ("snapshot_throttle", "it is an object in Java, and snapshots are not throttled here"),
    ("metric_registry", "it is an object in Java; a node here has its own metrics"),
    (
        "append_entries_executors",
        "it is an object in Java; the threads here belong to the `.runtime(..)` of the builder",
    ),
];

const TIMERS: &str = "has no effect: all nodes of a runtime share its timers";
const THREADS: &str =
    "has no effect: the threads belong to the runtime, and none waits for a request";
const DATA_DIR: &str =
    "the place of log, term, vote and snapshots is given to the builder: `.data_dir(path)`";

/// Longer names are nobody's typing error, and comparing them takes time.
const LONGEST_NAME: usize = 64;

/// What the list says about `name`, with the name as the list has it.
pub(super) fn look_up(
    list: &[(&'static str, &'static str)],
    name: &str,
) -> Option<(&'static str, &'static str)> {
    list.iter().find(|(listed, _)| *listed == name).copied()
}

/// The name in `snake_case`, if it is written in one of the two styles and not in a mixture.
pub(super) fn snake_case(written: &str) -> Option<String> {
    if !is_camel_case(written) {
        return Some(written.to_owned());
    }
    let pure = !written.contains('_') && !written.starts_with(|c: char| c.is_ascii_uppercase());
    pure.then(|| split_words(written))
}

/// The name of `names` that `written` is most likely meant to be, in `snake_case`.
pub(super) fn nearest(
    written: &str,
    names: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    if written.len() > LONGEST_NAME {
        return None;
    }
    let meant = split_words(written);
    let tolerated = (meant.len() / 3).max(1);
    let (distance, name) = names
        .into_iter()
        .map(|name| (typing_errors(meant.as_bytes(), name.as_bytes()), name))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= tolerated).then_some(name)
}

/// The option `name` in the style in which `written` is.
pub(super) fn in_style_of(written: &str, name: &str) -> String {
    if is_camel_case(written) { camel_case(name) } else { name.to_owned() }
}

fn is_camel_case(written: &str) -> bool {
    written.contains(|c: char| c.is_ascii_uppercase())
}

fn split_words(written: &str) -> String {
    let mut name = String::with_capacity(written.len() + 8);
    for c in written.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        camel += &first.to_ascii_uppercase();
        camel += rest;
    }
    camel
}

/// How many letters were left out, added, replaced, or swapped with their neighbour.
fn typing_errors(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}
