//! The manifests: which features are on, why each dependency is there, which lints hold.

use std::process::Command;

use super::source::{Source, root};
use super::{assert_clean, assert_finds, repository};

/// `tokio feature "net"` and its like, as `cargo tree -e features` prints them.
fn sockets_and_files(tree: &str) -> Vec<String> {
    let bad = ["net", "fs", "process", "full", "io-std", "signal"];
    let is_bad = |line: &&str| {
        line.contains("tokio feature")
            && bad.iter().any(|feature| line.contains(&format!("feature \"{feature}\"")))
    };
    tree.lines().filter(is_bad).map(str::to_owned).collect()
}

/// A dependency says what it is for.
fn dependencies_have_reasons(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path == "Cargo.toml") {
        let table = file.text.split("[workspace.dependencies]").nth(1).unwrap_or_default();
        let table = table.split("\n[").next().unwrap_or_default();
        let ours = |line: &str| line.contains("path = ");
        let silent = table
            .lines()
            .filter(|line| line.contains(" = ") && !ours(line) && !line.contains("# "));
        found.extend(silent.map(|line| format!("what is it for? {line}")));
    }
    found
}

/// Every package takes the lints and the versions of the workspace.
fn packages_follow_the_workspace(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        // The tripwire stands in for functions of the C library, which takes `unsafe`; nobody else may.
        let own_lints = file.path == "tests/tripwire/Cargo.toml";
        if !own_lints && !file.text.contains("[lints]\nworkspace = true") {
            found.push(format!("{}: lints of its own", file.path));
        }
        for section in file.text.split("\n[").filter(|section| {
            section.lines().next().is_some_and(|name| name.ends_with("dependencies]"))
        }) {
            let own = section.lines().skip(1).filter(|line| {
                line.contains(" = ") && !line.starts_with('#') && !line.contains("workspace = true")
            });
            let own = own.filter(|line| !line.ends_with(".workspace = true"));
            found.extend(own.map(|line| format!("{}: a version of its own: {line}", file.path)));
        }
    }
    found
}

/// The hooks of the simulator, and the bugs that can be planted, are for the tests: no product turns them on.
fn products_have_no_planted_bugs(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        let is_suite = file.path == "tests/Cargo.toml";
        let turns_on = |line: &&str| {
            let uses = line.contains("features") && line.contains("\"sim\"");
            uses || line.starts_with("default = ") && line.contains("sim")
        };
        let lines = file.text.lines().filter(turns_on).filter(|_| !is_suite);
        found.extend(lines.map(|line| format!("{}: {line}", file.path)));
    }
    found
}

#[test]
fn only_the_suites_turn_the_simulator_on() {
    assert_clean(&products_have_no_planted_bugs(&repository()));
    let planted = "[features]\ndefault = [\"wal\", \"sim\"]\n\n[dependencies]\n\
                   jraft-core = { workspace = true, features = [\"sim\"] }\n";
    assert_finds(2, "jraft-example/Cargo.toml", planted, products_have_no_planted_bugs);
    let suites = planted.replace("default", "other");
    assert_finds(0, "tests/Cargo.toml", &suites, products_have_no_planted_bugs);
}

#[test]
fn the_core_alone_has_no_sockets_and_no_files() {
    let arguments = ["tree", "--offline", "--locked", "-p", "jraft-core", "--no-default-features"];
    let mut command = Command::new(env!("CARGO"));
    let output = command
        .args(arguments)
        .args(["-e", "features,no-dev"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(tree.contains("tokio feature \"rt\""), "this is no tree of features:\n{tree}");
    assert!(!tree.contains("jraft-rpc") && !tree.contains("jraft-storage"), "{tree}");
    assert_clean(&sockets_and_files(&tree));
    assert_eq!(
        sockets_and_files("│   ├── tokio feature \"net\"\n├── tokio feature \"rt\"").len(),
        1
    );
}

#[test]
fn every_dependency_says_what_it_is_for() {
    assert_clean(&dependencies_have_reasons(&repository()));
    let planted = "[workspace.dependencies]\na = \"1\" # why\nb = \"2\"\n\n[profile.dev]\nc = 3\n";
    assert_finds(1, "Cargo.toml", planted, dependencies_have_reasons);
}

#[test]
fn packages_have_no_lints_and_versions_of_their_own() {
    assert_clean(&packages_follow_the_workspace(&repository()));
    let planted = "[package]\nname = \"x\"\n\n[dependencies]\na.workspace = true\nb = \"2\"\n";
    assert_finds(2, "x/Cargo.toml", planted, packages_follow_the_workspace);
}
