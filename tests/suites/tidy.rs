//! The rules of this repository that no compiler checks. Each check is shown, by a planted mistake, to find it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layering.rs"]
mod layering;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/scenarios.rs"]
mod scenarios;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Source, repository};

/// Fails with all findings at once.
fn assert_clean(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// A check must find exactly `expected` mistakes in a planted file.
fn assert_finds(expected: usize, path: &str, text: &str, check: fn(&[Source]) -> Vec<String>) {
    let findings = check(&[Source::new(path, text)]);
    assert_eq!(findings.len(), expected, "in {path}: {findings:?}\n{text}");
}
