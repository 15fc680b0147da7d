//! The simulator as a gate: it repeats itself, finds what is planted, knows the bugs of the past, and finds no new one in
//! ten hours of simulated groups.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jraft_tests::programs::{root, simulator};
use jraft_tests::sim::plan::Plan;
use jraft_tests::{record, setting};
use serde_json::Value;

/// Simulated hours of groups; another number is in `JRAFT_SIM_HOURS`.
const HOURS: f64 = 10.0;

/// What no run reaches yet, and why.
const OUT_OF_REACH: [(&str, &str); 1] = [("handovers", "nothing starts a transfer yet")];

/// What ten hours may miss, and why.
const RARE: [(&str, &str); 1] =
    [("late_leaders", "a vote would have to travel for longer than a whole later election takes")];

/// What must have gone wrong on purpose.
const FAULTS: [&str; 25] = [
    "bit flip",
    "clock jump",
    "drift",
    "kill",
    "left bridged",
    "left cut off",
    "left deaf",
    "left down",
    "left mute",
    "link cut",
    "little room",
    "message cut",
    "message late",
    "message lost",
    "message twice",
    "partition",
    "pause",
    "power loss",
    "shutdown",
    "slow disk",
    "start refused",
    "sync fails",
    "sync fails and loses",
    "torn power loss",
    "write fails",
];

/// The simulator under these arguments, and where it leaves plans of failures.
fn sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(simulator());
    command.args(arguments).current_dir(root()).stdin(Stdio::null()).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// The object in the last line.
fn json(output: &Output) -> Value {
    let out = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(out.lines().next_back().expect("it says something")).unwrap()
}

fn corpus() -> Vec<PathBuf> {
    let folder = root().join("tests/corpus");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut plans: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "plan")).collect();
    plans.sort();
    plans
}

/// A plan of a bug that was fixed replays clean; a plan with a planted bug breaks the rule that it names.
#[test]
fn the_corpus_replays_as_its_plans_say() {
    let plans = corpus();
    assert!(!plans.is_empty());
    for path in plans {
        let plan: Plan = fs::read_to_string(&path).unwrap().parse().unwrap();
        assert!(!plan.story.is_empty(), "{}: a plan tells its story", path.display());
        let output = sim(&["replay", path.to_str().unwrap(), "--timeline", "60"]);
        let text = text(&output);
        match (&plan.mutant, &plan.expect) {
            (None, _) => assert_eq!(code(&output), 0, "{}:\n{text}", path.display()),
            (Some(_), Some(rule)) => {
                assert_eq!(code(&output), 1, "{}:\n{text}", path.display());
                let as_said = text.lines().any(|line| line == format!("as the plan says: {rule}"));
                assert!(as_said, "{}: another rule than {rule}:\n{text}", path.display());
            }
            (Some(_), None) => panic!("{}: what does the planted bug break?", path.display()),
        }
    }
}

/// The same seeds are the same runs: in another process, and whatever runs beside them.
#[test]
fn i_34_the_same_seeds_do_the_same_in_every_process() {
    let run = |threads: &str| {
        let output = sim(&["run", "--seeds", "1..21", "--threads", threads, "--json"]);
        let mut all = json(&output);
        let object = all.as_object_mut().unwrap();
        let speed = object.remove("speed");
        assert!(speed.is_some() && object["seeds"] == 20 && object["digest"] != "0000000000000000");
        all
    };
    assert_eq!(run("1"), run("2"));
}

/// The figures are in the log: what was simulated, what went wrong on purpose, which dangerous states were reached. What is
/// rare needs all ten hours.
#[test]
fn ten_simulated_hours_break_nothing_and_reach_every_dangerous_state() {
    let hours: f64 = setting("JRAFT_SIM_HOURS").map_or(HOURS, |hours| hours.parse().unwrap());
    let output = sim(&["run", "--hours", &hours.to_string(), "--json"]);
    record(&String::from_utf8_lossy(&output.stdout));
    let all = json(&output);
    assert_eq!(all["violations"].as_array().unwrap().len(), 0, "the lines above tell how to go on");
    assert_eq!(code(&output), 0);
    assert!(all["simulated_hours"].as_f64().unwrap() >= hours);
    if hours < HOURS {
        return;
    }
    for (name, count) in all["coverage"].as_object().unwrap() {
        let among = |list: &[(&str, &'static str)]| {
            list.iter().find(|(other, _)| other == name).map(|(_, why)| *why)
        };
        if let Some(why) = among(&RARE).filter(|_| count == 0) {
            record(&format!("{name} was not reached: {why}"));
            continue;
        }
        match among(&OUT_OF_REACH) {
            None => assert!(count.as_u64().unwrap() > 0, "{name} was never reached"),
            Some(why) => assert_eq!(count, 0, "{name} is not out of reach any more: {why}"),
        }
    }
    for kind in FAULTS {
        assert!(all["faults"][kind].as_u64().is_some_and(|count| count > 0), "no {kind}");
    }
    assert_eq!(all["points_missed"], serde_json::json!(["before waiter"]), "reads do not wait yet");
}

#[test]
fn the_exit_status_tells_broken_from_clean_and_from_nonsense() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense.plan");
    fs::write(&nonsense, "seed 1\nat 5 explode 1\n").unwrap();
    let unknown = folder.path().join("unknown.plan");
    fs::write(&unknown, "seed 1\noption no_such_option 1\n").unwrap();
    let clean = folder.path().join("clean.plan");
    fs::write(&clean, "seed 1\nhurt 100\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    assert_eq!(code(&sim(&["run", "--seed", "1"])), 0);
    assert_eq!(code(&sim(&["--help"])), 0);
    for (arguments, said) in [
        (vec!["run".to_owned(), "--seeds".to_owned(), "9..3".to_owned()], "9..3"),
        (vec!["run".to_owned(), "--mutant".to_owned(), "M999".to_owned()], "M999"),
        (vec!["replay".to_owned(), "nothing.plan".to_owned()], "nothing.plan"),
        (vec!["replay".to_owned(), path(&nonsense)], "line 2"),
        (vec!["replay".to_owned(), path(&unknown)], "no_such_option"),
        (vec!["shrink".to_owned(), path(&clean)], "clean.plan"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = sim(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}:\n{}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}:\n{}", text(&output));
    }
}

/// From a planted bug to a small plan, by the lines that are printed on the way.
#[test]
fn a_planted_bug_is_found_replayed_and_made_small() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let seeds = ["run", "--seeds", "1..100", "--mutant", "M7", "--fail-fast", "--json"];
    let found = sim(&[&seeds[..], &["--out", out]].concat());
    let said = text(&found);
    assert_eq!(code(&found), 1, "{said}");
    assert_eq!(json(&found)["violations"].as_array().unwrap().len(), 1);
    let line = said.lines().find_map(|line| line.strip_prefix("replay: ")).unwrap();
    let plan = line.rsplit(' ').next().unwrap();
    let replayed = sim(&["replay", plan]);
    assert_eq!(code(&replayed), 1, "{}", text(&replayed));
    let small = folder.path().join("small.plan");
    let small = small.to_str().unwrap();
    let shrunk = sim(&["shrink", plan, "-o", small, "--budget", "40"]);
    assert_eq!(code(&shrunk), 0, "{}", text(&shrunk));
    let replayed = sim(&["replay", small]);
    assert_eq!(code(&replayed), 1, "{}", text(&replayed));
    assert!(text(&replayed).contains("as the plan says: "), "{}", text(&replayed));
    let (before, after) = (fs::metadata(plan).unwrap().len(), fs::metadata(small).unwrap().len());
    assert!(after < before, "{after} bytes instead of {before}");
}
