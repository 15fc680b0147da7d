//! What the documents promise: two commands, a short counter, links that lead somewhere, options that do something.

use std::collections::BTreeSet;

use super::source::{Source, has_word, root};
use super::{assert_clean, assert_finds, repository};

const EXAMPLE: &str = "jraft-example/examples/counter_app.rs";
/// Lines of the whole program: a durable, replicated counter.
const LONGEST_EXAMPLE: usize = 35;

fn get<'a>(files: &'a [Source], path: &str) -> &'a Source {
    files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is gone"))
}

/// The lines of each block of code of a document.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            blocks.push(lines.by_ref().take_while(|line| !line.starts_with("```")).collect());
        }
    }
    blocks
}

fn quickstart_has_two_commands(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path == "README.md") {
        let first = blocks(&file.text).into_iter().next().unwrap_or_default();
        let good =
            matches!(first[..], ["cargo run --release", test] if test.starts_with("cargo test"));
        if !good {
            found.push(format!(
                "README begins with two commands, to run and to test; not {first:?}"
            ));
        }
    }
    found
}

/// `[text](target)` leads to a file of the repository, or outside.
fn links_lead_somewhere(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (at, _) in file.text.match_indices("](") {
            let target = file.text[at + 2..].split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let here = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !root().join(here).join(target).exists() {
                found.push(format!("{}: {target} leads nowhere", file.path));
            }
        }
    }
    found
}

/// A document that names a file of ours by its path names one that exists.
fn named_files_exist(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let folders =
        ["jraft-core/", "jraft-rpc/", "jraft-storage/", "jraft-example/", "tests/", ".ci/"];
    for file in
        files.iter().filter(|file| file.path.ends_with(".md") && !file.path.contains("/tests/"))
    {
        for piece in file.text.split('`').skip(1).step_by(2) {
            let is_path = folders.iter().any(|folder| piece.starts_with(folder))
                && !piece.contains([' ', '*', '{', '<']);
            if is_path && !root().join(piece).exists() {
                found.push(format!("{}: there is no {piece}", file.path));
            }
        }
    }
    found
}

/// An option that nobody reads says so (`not_yet`), or a user would turn a screw that holds nothing.
fn options_do_something(files: &[Source]) -> Vec<String> {
    let is_product = |file: &&Source| {
        let packages = ["jraft-core/src/", "jraft-rpc/src/", "jraft-storage/src/"];
        packages.iter().any(|folder| file.path.starts_with(folder)) && !file.is_test()
    };
    let read: BTreeSet<&str> = files
        .iter()
        .filter(is_product)
        .flat_map(|file| super::source::words(file.product_code()).map(|(_, word)| word))
        .collect();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("jraft-core/spi/src/option/")) {
        let Some(at) = file.code.find("\noptions! {") else { continue };
        let table = file.code[at..].split("\n}").next().unwrap_or_default();
        for row in table.split(';').filter(|row| row.contains(" = ")) {
            let Some(name) = row.rsplit('\n').find_map(|line| line.trim().split_once(": ")) else {
                continue;
            };
            let name = name.0;
            let certain = row.contains("AlwaysTrue") || has_word(row, "not_yet");
            if !certain && !read.contains(name) {
                found.push(format!("{}: nothing reads the option {name}", file.path));
            }
        }
    }
    found
}

#[test]
fn the_readme_begins_with_exactly_two_commands() {
    assert_clean(&quickstart_has_two_commands(&repository()));
    let with = |commands: &str| format!("# x\n\n```sh\n{commands}\n```\n");
    let check = quickstart_has_two_commands;
    assert_finds(0, "README.md", &with("cargo run --release\ncargo test --workspace"), check);
    assert_finds(1, "README.md", &with("cargo run --release\ncargo test\nls"), check);
    assert_finds(1, "README.md", &with("cd x\ncargo test"), check);
}

#[test]
fn the_counter_is_as_short_as_promised_and_printed_as_it_is() {
    let files = repository();
    let example = get(&files, EXAMPLE);
    let lines: Vec<&str> = example.text.lines().collect();
    assert!(lines.len() <= LONGEST_EXAMPLE, "{EXAMPLE} has {} lines", lines.len());
    // The first line silences lints of this workspace, which a user does not have.
    assert!(lines[0].starts_with("#![allow("), "{}", lines[0]);
    let printed = blocks(&get(&files, "README.md").text);
    assert!(printed.contains(&lines[1..].to_vec()), "README prints another program than {EXAMPLE}");
}

#[test]
fn links_and_paths_in_documents_exist() {
    let files = repository();
    assert_clean(&links_lead_somewhere(&files));
    assert_clean(&named_files_exist(&files));
    assert_finds(
        1,
        "tests/x.md",
        "[a](../README.md) [b](nowhere.md) [c](https://d)",
        links_lead_somewhere,
    );
    assert_finds(1, "x.md", "`tests/Cargo.toml` and `tests/nothing.rs`", named_files_exist);
}

#[test]
fn every_option_does_something_or_says_that_it_does_not() {
    assert_clean(&options_do_something(&repository()));
    let table = "\noptions! {\n pub struct O {\n /// A.\n idle: u32 = 1, Any;\n later: u32 = 1, Any, not_yet \"x\";\n }\n}";
    assert_finds(1, "jraft-core/spi/src/option/x.rs", table, options_do_something);
}
