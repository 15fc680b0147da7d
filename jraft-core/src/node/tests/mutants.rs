//! The bugs that are planted in the decisions, and what finds them: a story each, and nearly all the random schedules,
//! too. Those in `Turn`, in the lanes and on the disks (M34, M36, M39, M48) are for a simulator of whole nodes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use jraft_spi::sim::plant;

use super::random::run;
use super::{elections, endings, following, leading, promises, votes};
use crate::sync::panic_text;

/// Each planted bug, and the test that fails with it.
const STORIES: [(&str, fn()); 25] = [
    ("M1", elections::s4_06_t_vote_3_no_vote_request_leaves_before_the_own_vote_is_saved),
    ("M2", votes::s0_06_an_equal_term_is_decided_by_the_vote),
    ("M3", votes::s0_08_t_vote_7_a_shorter_log_gets_no_vote),
    ("M4", votes::s0_08_t_vote_7_a_shorter_log_gets_no_vote),
    ("M5", leading::m5_entries_of_older_terms_are_not_committed_by_counting),
    ("M6", leading::m16_a_leader_counts_itself_after_its_own_sync),
    ("M7", promises::m7_entries_are_accepted_when_they_are_durable),
    ("M8", following::entries_are_taken_where_they_fit_and_truncate_only_what_differs),
    ("M9", following::entries_are_taken_where_they_fit_and_truncate_only_what_differs),
    ("M10", following::the_commit_index_is_bounded_by_what_a_request_proves),
    ("M14", elections::s0_10_s4_15_answers_count_for_their_term_once_and_while_standing),
    ("M16", leading::m16_a_leader_counts_itself_after_its_own_sync),
    ("M17", leading::m17_answers_to_an_older_leadership_count_for_nothing),
    ("M18", promises::m18_an_acceptance_of_an_older_term_becomes_a_refusal),
    ("M41", promises::m41_every_word_of_a_new_term_waits_for_the_term),
    ("M42", votes::t_vote_5_s4_12_a_repeat_waits_for_the_first_save),
    ("M44", promises::m44_a_duplicate_waits_for_the_original),
    ("M45", leading::m45_probes_and_heartbeats_are_no_acknowledgement),
    ("M46", leading::m46_a_read_of_what_a_disk_is_about_to_forget_reaches_nobody),
    ("M47", votes::t_vote_4_an_own_vote_survives_a_crash_right_after_the_save),
    // A step-down forgets to end the tasks that wait.
    ("M60", endings::m36_a_step_down_leaves_the_outcome_unknown),
    // A truncation does not take back what writes under way would make durable.
    ("M62", promises::a_truncation_takes_back_what_writes_under_way_would_promise),
    // A step-down does not start the election timer.
    ("M63", following::s0_12_a_higher_term_is_obeyed_in_every_role),
    // A truncation leaves a batch that was cut for the next peer.
    ("M65", leading::m65_a_batch_that_was_cut_is_forgotten_with_its_entries),
    // One vote less than a majority elects.
    ("M67", elections::s0_10_s4_15_answers_count_for_their_term_once_and_while_standing),
];

/// Too rare for random schedules: it takes more than a thousand of them, or they never come there.
const STORY_ONLY: [&str; 5] = ["M4", "M17", "M18", "M46", "M65"];

/// So many schedules, each of so many steps, must meet any of the others.
const SEEDS: u64 = 4000;
const STEPS: usize = 300;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Why `test` fails with a bug planted, if it does. That panic is wanted, and not printed.
fn failure(mutant: &'static str, test: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                print(panic);
            }
        }));
    });
    plant(Some(mutant));
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(test));
    QUIET.set(false);
    plant(None);
    Some(panic_text(&*result.err()?))
}

/// Plants each mutant that `kill` is meant for, and tells by whom it was killed. There must be no survivor.
fn check(mutants: &[&'static str], kill: impl Fn(&'static str) -> Option<(String, String)>) {
    let mut survivors = Vec::new();
    for mutant in mutants {
        match kill(mutant) {
            Some((by, why)) => {
                println!("{mutant:<4} {by:<10} {}", why.lines().next().unwrap_or_default());
            }
            None => survivors.push(mutant),
        }
    }
    assert!(survivors.is_empty(), "nobody notices {survivors:?}");
}

#[test]
fn a_story_kills_each_mutant() {
    for (mutant, story) in STORIES {
        check(&[mutant], |mutant| Some(("story".to_owned(), failure(mutant, story)?)));
    }
}

#[test]
fn random_schedules_kill_the_mutants() {
    let mutants: Vec<&str> = STORIES
        .iter()
        .map(|&(mutant, _)| mutant)
        .filter(|name| !STORY_ONLY.contains(name))
        .collect();
    check(&mutants, |mutant| {
        (0..SEEDS).find_map(|seed| {
            let why = failure(mutant, || {
                run(seed, STEPS);
            })?;
            Some((format!("seed {seed}"), why))
        })
    });
}
