//! The gate of planted bugs: each of them is found by a plan, a script or a story, every time, and nothing is found where
//! nothing is planted. A bug that survives is a hole in the checks.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jraft_tests::programs::root;
use jraft_tests::record;
use jraft_tests::sim::mutants::{Killer, MUTANTS, Mutant};
use jraft_tests::sim::plan::Plan;
use jraft_tests::sim::points::POINTS;
use jraft_tests::sim::run::run;
use jraft_tests::sim::script::run_script;

const STORIES: &str = "jraft-core/src/node/tests/mutants.rs";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn plan_of(name: &str, mutant: Option<&str>) -> Plan {
    let plan: Plan = read(&format!("tests/corpus/{name}.plan")).parse().unwrap();
    Plan { mutant: mutant.map(str::to_owned), ..plan }
}

/// What the killer says with the bug planted, or without it; nothing if it finds nothing.
fn complaint(killer: Killer, mutant: Option<&str>) -> Option<String> {
    match killer {
        Killer::Plan(name) => run(&plan_of(name, mutant), false).unwrap().broken,
        Killer::Script(name) => {
            let script = read(&format!("tests/scripts/{name}.txt"));
            let wrong = run_script(&script, mutant).err()?;
            wrong.lines().next().map(str::to_owned)
        }
        // Run by the package itself, which fails if one of them survives.
        Killer::Story => {
            let told = read(STORIES).contains(&format!("(\"{}\", ", mutant?));
            told.then(|| format!("a story in {STORIES}"))
        }
    }
}

fn name_of(killer: Killer) -> String {
    match killer {
        Killer::Plan(name) => format!("corpus/{name}.plan"),
        Killer::Script(name) => format!("scripts/{name}.txt"),
        Killer::Story => "a story of the decision kit".to_owned(),
    }
}

#[test]
fn every_planted_bug_is_found() {
    let (mut survivors, mut table) = (Vec::new(), String::new());
    for Mutant { name, bug, killer, breaks } in MUTANTS {
        let said = complaint(killer, Some(name));
        let by = name_of(killer);
        let text = said.clone().unwrap_or_else(|| "SURVIVES".to_owned());
        let text: String = text.chars().take(90).collect();
        writeln!(table, "{name:<4} {bug:<48} {by:<42} {text}").unwrap();
        let is_story = killer == Killer::Story;
        if !said.is_some_and(|said| is_story || said.starts_with(&format!("{breaks}:"))) {
            survivors.push(format!("{name} by {by}, which must break {breaks}: {text}"));
        }
    }
    record(&table);
    assert!(survivors.is_empty(), "planted bugs survive:\n{}", survivors.join("\n"));
}

#[test]
fn nothing_is_found_where_nothing_is_planted() {
    for Mutant { name, killer, .. } in MUTANTS {
        let said = complaint(killer, None);
        assert_eq!(said, None, "{} complains without {name}", name_of(killer));
    }
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// The texts between `begin` and the next quote, in all sources of the library but its tests.
fn named_in_code(begin: &str) -> BTreeSet<String> {
    let mut files = Vec::new();
    for package in ["jraft-core/src", "jraft-core/spi/src", "jraft-storage/src", "jraft-rpc/src"] {
        sources(&root().join(package), &mut files);
    }
    let is_test = |path: &Path| {
        let text = path.to_string_lossy();
        text.contains("tests") || text.ends_with("spi/src/sim.rs")
    };
    let mut names = BTreeSet::new();
    for path in files.into_iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let parts = text.split(begin).skip(1);
        names.extend(parts.filter_map(|part| Some(part.split_once('"')?.0.to_owned())));
    }
    names
}

/// No bug is planted that nobody looks for, and none is looked for that is not planted.
#[test]
fn the_list_is_that_of_the_code() {
    let listed: BTreeSet<String> = MUTANTS.iter().map(|mutant| mutant.name.to_owned()).collect();
    assert_eq!(listed, named_in_code("mutant!(\""));
    assert_eq!(listed.len(), MUTANTS.len());
}

/// All points of the code can be died at.
#[test]
fn the_points_are_those_of_the_code() {
    let listed: BTreeSet<String> = POINTS.iter().map(|point| (*point).to_owned()).collect();
    let mut named = named_in_code("sim_point!(\"");
    named.extend(named_in_code("=> (\"before ").into_iter().map(|name| format!("before {name}")));
    let after = named_in_code("\", \"after ").into_iter().map(|name| format!("after {name}"));
    named.extend(after);
    assert_eq!(listed, named);
}
