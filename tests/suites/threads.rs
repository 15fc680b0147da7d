//! What threads outside a loop touch of `jraft-core`, under schedules that `shuttle` chooses.
//!
//! The feature takes the real threads away, so these tests cannot stand in one build with all others: cargo builds and
//! runs them apart.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use jraft_tests::programs::cargo;

/// Fewer tests mean a filter that does not find them.
const AT_LEAST: usize = 19;

/// `12` of `test result: ok. 12 passed; ..`.
fn passed(out: &str) -> Option<usize> {
    let result = out.split("test result: ok. ").nth(1)?;
    result.split(" passed").next()?.parse().ok()
}

#[test]
fn threads_of_the_core_keep_their_promises_in_many_schedules() {
    let package = ["-p", "jraft-core", "--features", "shuttle", "--lib"];
    let output = cargo(&[&["test"], &package[..], &["threads::"]].concat());
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let passed = passed(&out).unwrap_or_default();
    assert!(passed >= AT_LEAST, "{passed} tests are not all:\n{out}\n{err}");
}

#[test]
fn a_run_of_no_test_is_seen() {
    assert_eq!(passed("x\ntest result: ok. 12 passed; 0 failed"), Some(12));
    assert_eq!(passed("test result: ok. 0 passed; 0 failed"), Some(0));
    assert_eq!(passed("test result: FAILED. 12 passed; 1 failed"), None);
}
