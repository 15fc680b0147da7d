//! Scenario scripts in the simulator: one test for each file of `tests/scripts`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::PathBuf;

use jraft_tests::setting;
use jraft_tests::sim::script::{rewrite, run_script};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn text_of(name: &str) -> String {
    fs::read_to_string(folder().join(name).with_extension("txt")).unwrap()
}

/// With `JRAFT_WRITE_SCRIPTS=1` what the commands print is written anew.
#[track_caller]
fn play(name: &str) {
    let text = text_of(name);
    if setting("JRAFT_WRITE_SCRIPTS").is_some() {
        let written = rewrite(&text).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        fs::write(folder().join(name).with_extension("txt"), written).unwrap();
    }
    run_script(&text_of(name), None).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
}

/// A test for each script, of its name.
macro_rules! scripts {
    ($(fn $name:ident() {})*) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

scripts! {
    fn mit_3a_initial_election() {}
    fn mit_3a_many_elections() {}
    fn mit_3a_re_election() {}
    fn mit_3b_backup() {}
    fn mit_3b_basic_agree() {}
    fn mit_3b_concurrent_starts() {}
    fn mit_3b_count() {}
    fn mit_3b_fail_agree() {}
    fn mit_3b_fail_no_agree() {}
    fn mit_3b_follower_failure() {}
    fn mit_3b_leader_failure() {}
    fn mit_3b_rejoin() {}
    fn mit_3b_rpc_bytes() {}
    fn mit_3c_figure_8() {}
    fn mit_3c_figure_8_unreliable() {}
    fn mit_3c_persist_1() {}
    fn mit_3c_persist_2() {}
    fn mit_3c_persist_3() {}
    fn mit_3c_reliable_churn() {}
    fn mit_3c_unreliable_agree() {}
    fn mit_3c_unreliable_churn() {}
    fn partition_bridge() {}
    fn partition_chain() {}
    fn partition_quorum_lost_and_back() {}
    fn pinned_duplicate_append() {}
    fn pinned_figure_8() {}
    fn pinned_late_acceptance() {}
    fn pinned_log_after_kill() {}
    fn pinned_longer_log() {}
    fn pinned_old_acknowledgement() {}
    fn pinned_old_vote() {}
    fn pinned_own_sync() {}
    fn pinned_repeated_vote() {}
    fn pinned_same_term_twice() {}
    fn pinned_saves_in_order() {}
    fn pinned_stale_read() {}
    fn pinned_term_before_log() {}
    fn pinned_term_not_durable() {}
    fn pinned_vote_after_kill() {}
    fn s0_02_two_candidates_of_one_term() {}
    fn s0_03_to_05_a_leader_that_was_cut_off_returns() {}
    fn s0_04_a_deaf_leader_resigns() {}
    fn s0_05_a_mute_leader_resigns() {}
    fn s0_15_small_queues() {}
    fn s0_18_one_election_for_each_timeout() {}
    fn s0_21_a_dead_peer_costs_its_requests_only() {}
    fn s4_02_the_term_of_an_isolated_node_stays() {}
    fn s4_03_a_candidate_that_is_cut_off_rests() {}
    fn s4_18_a_deaf_follower_deposes_nobody() {}
    fn s4_19_a_won_pre_vote_is_no_promise() {}
    fn s4_21_dead_peers_are_not_waited_for() {}
    fn t_node_10_single_node_with_learner() {}
    fn t_node_30_leader_fail() {}
    fn t_node_45_leader_should_not_change() {}
    fn t_node_46_recover_follower() {}
    fn t_node_54_append_entries_to_a_node_that_failed() {}
}

#[test]
fn every_script_has_a_test() {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let scripts = files.filter(|path| path.extension().is_some_and(|kind| kind == "txt"));
    let mut found: Vec<String> =
        scripts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    found.sort();
    let mut listed = NAMES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

/// Every script says what it is about before anything else.
#[test]
fn every_script_tells_its_story() {
    for name in NAMES {
        assert!(text_of(name).starts_with("# "), "{name}");
    }
}
