//! The shape of files, functions, attributes and public signatures.

use super::source::{Source, has_word};
use super::{assert_clean, assert_finds, repository};

/// Lines of a file, tests included.
const LONGEST_FILE: usize = 600;
/// Lines of a function: a screen.
const LONGEST_FUNCTION: usize = 70;
/// Lines of a function that is a test, or helps one: a story may be longer than a decision, but not without end.
const LONGEST_TEST: usize = 100;

fn files_are_short(files: &[Source]) -> Vec<String> {
    let long = files.iter().filter(|file| file.is_rust());
    long.map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{} has {lines} lines, more than {LONGEST_FILE}", file.path))
        .collect()
}

fn functions_are_short(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for function in file.functions() {
            let in_tests = function.is_test || file.is_test();
            let limit = if in_tests { LONGEST_TEST } else { LONGEST_FUNCTION };
            if function.lines > limit {
                let (path, line, name) = (&file.path, function.line, &function.name);
                found.push(format!(
                    "{path}:{line}: {name} has {} lines, more than {limit}",
                    function.lines
                ));
            }
        }
    }
    found
}

fn files_say_what_they_own(files: &[Source]) -> Vec<String> {
    let silent = files.iter().filter(|file| {
        // A listing in the README has no room for it.
        let listing = file.path == "jraft-example/examples/counter_app.rs";
        file.is_rust() && !listing && !file.text.starts_with("//! ") && !is_generated(file)
    });
    silent.map(|file| format!("{}: the first line says what the file is for", file.path)).collect()
}

fn is_generated(file: &Source) -> bool {
    file.text.starts_with("// This file is @generated")
}

/// A lint is silenced with a reason: in the attribute, or in a comment on its line or the one before.
fn silenced_lints_have_reasons(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for word in ["allow(", "expect("] {
            for (at, _) in file.code.match_indices(word) {
                let Some(attribute) = attribute_around(&file.code, at) else { continue };
                let line = file.line_of(attribute.start);
                let lines: Vec<&str> = file.text.lines().collect();
                let last = file.line_of(attribute.end);
                let comment = lines[last - 1].contains("// ")
                    || line >= 2 && lines[line - 2].trim_start().starts_with("//");
                if !comment && !has_word(&file.code[attribute], "reason") {
                    found.push(format!("{}:{line}: why is the lint silenced?", file.path));
                }
            }
        }
    }
    found
}

/// The attribute in which the byte `at` stands.
fn attribute_around(code: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let start = [code[..at].rfind("#["), code[..at].rfind("#![")].into_iter().flatten().max()?;
    let mut depth = 0;
    for (offset, byte) in code[start..].bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    let range = start..start + offset + 1;
                    return range.contains(&at).then_some(range);
                }
            }
            _ => {}
        }
    }
    None
}

/// Crates whose types a user of ours never meets: then a new version of them is no new version of ours.
const HIDDEN: [&str; 7] =
    ["tokio", "prost", "parking_lot", "toml", "rand", "rand_xoshiro", "rmp_serde"];

fn signatures_are_our_own(files: &[Source]) -> Vec<String> {
    let users = ["jraft-core/src/", "jraft-core/spi/src/"];
    let mut found = Vec::new();
    for file in files {
        let seen = users.iter().any(|folder| file.path.starts_with(folder));
        // The messages of the wire are public for the adapters, hidden, and not covered by any promise.
        if !seen
            || !file.is_rust()
            || file.is_test()
            || file.path.starts_with("jraft-core/spi/src/pb/")
        {
            continue;
        }
        let borrowed = borrowed_names(file);
        for (line, signature) in file.public_signatures() {
            for name in HIDDEN.iter().copied().chain(borrowed.iter().map(String::as_str)) {
                if has_word(signature, name) {
                    found.push(format!("{}:{line}: users would meet {name}", file.path));
                }
            }
        }
    }
    found
}

/// The names that a file has brought in from the hidden crates.
fn borrowed_names(file: &Source) -> Vec<String> {
    // What a function brings in for itself stays in it.
    let inside = |line: &&str| !line.starts_with(' ') || !line.trim_start().starts_with("use ");
    let outside: Vec<&str> = file.product_code().lines().filter(inside).collect();
    let uses = Source::new("x.rs", &outside.join("\n")).uses().into_iter();
    let hidden =
        uses.filter(|path| HIDDEN.iter().any(|name| path.starts_with(&format!("{name}::"))));
    hidden
        .filter_map(|path| path.rsplit("::").next().map(str::to_owned))
        .filter(|name| name != "self")
        .collect()
}

#[test]
fn no_file_is_longer_than_the_wall() {
    assert_clean(&files_are_short(&repository()));
    assert_finds(1, "x.rs", &"\n".repeat(LONGEST_FILE + 1), files_are_short);
    assert_finds(0, "x.rs", &"\n".repeat(LONGEST_FILE), files_are_short);
}

#[test]
fn no_function_is_longer_than_a_screen() {
    assert_clean(&functions_are_short(&repository()));
    let of = |lines: usize| format!("fn f() {{\n{}}}\n", "x;\n".repeat(lines - 2));
    assert_finds(0, "a/src/x.rs", &of(LONGEST_FUNCTION), functions_are_short);
    assert_finds(1, "a/src/x.rs", &of(LONGEST_FUNCTION + 1), functions_are_short);
    assert_finds(0, "a/tests/x.rs", &of(LONGEST_TEST), functions_are_short);
    assert_finds(
        1,
        "a/src/x.rs",
        &format!("#[test]\n{}", of(LONGEST_TEST + 1)),
        functions_are_short,
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_clean(&files_say_what_they_own(&repository()));
    assert_finds(1, "x.rs", "use a::b;\n//! Late.", files_say_what_they_own);
}

#[test]
fn every_silenced_lint_has_a_reason() {
    assert_clean(&silenced_lints_have_reasons(&repository()));
    assert_finds(1, "x.rs", "\n#[allow(dead_code)]\nfn f() {}", silenced_lints_have_reasons);
    assert_finds(
        1,
        "x.rs",
        "#![expect(a,\n b)]\n\nfn f() { g.expect(\"h\") }",
        silenced_lints_have_reasons,
    );
    assert_finds(1, "x.rs", "\n#[cfg_attr(a, allow(b))]\nfn f() {}", silenced_lints_have_reasons);
    assert_finds(0, "x.rs", "#[allow(a, reason = \"b\")]\nfn f() {}", silenced_lints_have_reasons);
    assert_finds(0, "x.rs", "// Because.\n#[allow(a)]\nfn f() {}", silenced_lints_have_reasons);
}

#[test]
fn users_meet_no_foreign_types() {
    assert_clean(&signatures_are_our_own(&repository()));
    let path = "jraft-core/src/x.rs";
    assert_finds(1, path, "pub fn f() -> tokio::sync::Notify {}", signatures_are_our_own);
    assert_finds(
        1,
        path,
        "use parking_lot::{Mutex};\npub struct S {\n pub m: Mutex<u8>,\n}",
        signatures_are_our_own,
    );
    assert_finds(1, path, "pub trait T {\n fn f() -> prost::X;\n}", signatures_are_our_own);
    assert_finds(2, path, "pub use toml::Value;", signatures_are_our_own);
    assert_finds(
        0,
        path,
        "use tokio::sync::Notify;\npub struct S {\n m: Notify,\n}\npub(crate) fn f(a: Notify) {}",
        signatures_are_our_own,
    );
}
