//! The planted bugs: what a simulator that misses them is worth. Each has a plan, a script or a story of the decision kit
//! that finds it, every time.

/// What finds a planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killer {
    /// A plan of `tests/corpus`, shrunk from a seed of the search by chance.
    Plan(&'static str),
    /// A script of `tests/scripts`: chance seldom or never meets it.
    Script(&'static str),
    /// A story in `jraft-core/src/node/tests/mutants.rs`: in a whole group another layer stands before it.
    Story,
}

/// A bug that `mutant!` plants in the real code.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name in the code.
    pub name: &'static str,
    /// What is wrong.
    pub bug: &'static str,
    /// What finds it.
    pub killer: Killer,
    /// How the complaint begins: with the invariant that breaks.
    pub breaks: &'static str,
}

const fn plan(
    name: &'static str,
    bug: &'static str,
    plan: &'static str,
    breaks: &'static str,
) -> Mutant {
    Mutant { name, bug, killer: Killer::Plan(plan), breaks }
}

const fn script(
    name: &'static str,
    bug: &'static str,
    script: &'static str,
    breaks: &'static str,
) -> Mutant {
    Mutant { name, bug, killer: Killer::Script(script), breaks }
}

const fn story(name: &'static str, bug: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, bug, killer: Killer::Story, breaks }
}

/// All of them. The first numbers are those of the list that other tests of Raft are measured with; from M60 on they are
/// of this code.
pub const MUTANTS: [Mutant; 38] = [
    plan("M1", "a vote leaves before it is durable", "planted-early-vote", "I-13"),
    plan("M2", "a second vote in a term", "planted-two-votes", "I-9"),
    plan("M3", "votes without a look at the log", "planted-no-look-at-the-log", "I-4"),
    script("M4", "compares the last index only", "pinned_longer_log", "I-4"),
    script("M5", "commits entries of old terms by counting", "pinned_figure_8", "I-10"),
    plan("M6", "one acknowledgement too few commits", "planted-small-quorum", "I-10"),
    plan("M7", "accepts before the sync", "planted-early-yes", "I-12"),
    plan("M8", "truncates on any append", "planted-eager-truncation", "I-12"),
    plan("M9", "does not compare the entry before", "planted-no-previous-entry", "I-12"),
    plan("M10", "commits what it was told, matched or not", "planted-unmatched-commit", "I-10"),
    script("M14", "counts votes of an older term", "pinned_old_vote", "I-1"),
    script("M16", "a leader counts its entry before its sync", "pinned_own_sync", "I-10"),
    script("M17", "counts acknowledgements of an older term", "pinned_old_acknowledgement", "I-8"),
    script("M18", "does not look at the term after a sync", "pinned_late_acceptance", "I-12"),
    plan("M20", "forgets its vote over a restart", "planted-forgotten-vote", "I-15"),
    plan("M34", "takes a failed sync for a good one", "planted-sync-error-ignored", "I-12"),
    plan("M35", "takes damage for a torn end", "planted-damage-dropped", "I-15"),
    plan("M36", "calls unknown outcomes failed", "planted-unknown-called-failed", "I-22"),
    plan("M38", "reads without checksums", "planted-unchecked-bytes", "I-15"),
    plan("M39", "completions get lost at a shutdown", "planted-lost-completion", "I-29"),
    script("M41", "only the first yes of a term waits for it", "pinned_term_not_durable", "I-12"),
    script("M42", "a repeated request gets the vote at once", "pinned_repeated_vote", "I-13"),
    script("M43", "what it read after a kill counts as durable", "pinned_log_after_kill", "I-12"),
    script("M44", "a duplicate append is accepted at once", "pinned_duplicate_append", "I-12"),
    plan("M45", "the yes to an empty request counts as a match", "planted-empty-match", "I-10"),
    story("M46", "sends what a lost term read from the disk", "I-8"),
    script("M47", "stands again in the term of before a restart", "pinned_same_term_twice", "I-3"),
    script("M48", "swaps two saves of term and vote", "pinned_saves_in_order", "I-13"),
    plan("M60", "keeps pending tasks over a step-down", "planted-kept-tasks", "I-24"),
    story("M62", "a truncation leaves writes under way uncut", "log"),
    plan("M63", "does not restart the election timer", "planted-no-timer", "I-27"),
    story("M65", "a batch that was cut is sent whole", "I-8"),
    plan("M67", "one vote too few elects", "planted-small-election", "I-1"),
    plan("M68", "grants pre-votes against its leader", "planted-eager-pre-vote", "I-32"),
    plan("M69", "a node does not know its vote any more", "planted-vote-of-the-dead", "I-9"),
    plan("M70", "a leader counts as gone after half a timeout", "planted-half-a-timeout", "I-32"),
    plan("M71", "goes on after an error", "planted-deaf-to-errors", "I-14"),
    plan("M72", "forgets the rest of a batch", "planted-rest-of-a-batch", "I-29"),
];

/// The name, as the code knows it.
pub fn named(name: &str) -> Option<&'static str> {
    MUTANTS.iter().map(|mutant| mutant.name).find(|known| *known == name)
}
