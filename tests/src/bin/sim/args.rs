//! The command line, and what it teaches.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use jraft_tests::sim::mutants::MUTANTS;

const LESSON: &str = "\
Runs groups of the real library in simulated worlds, and looks for what must never be

A WORLD is one to seven nodes in one thread: the code that runs in production, but time, network, disks and the order
of tasks are made up. Nodes crash at the worst moments, disks lose and tear what was not synced, messages get lost,
arrive late or twice, links are cut, clocks drift, and clients go on working meanwhile. In half of the worlds a majority is well
before the rest is: it must have a leader that lasts, and answer. Then everything is healed; the group must come to rest, and one order of all operations must explain every answer.

A SEED is a number. It decides which world it is and what happens in it: the same seed is the same run to the last bit,
on any machine, as long as the code is the same.

A PLAN is all of that as text: the seed, the options, and what happens when. `show` prints the plan of a seed. A plan
can be edited, and stays a plan: what is left out does not change the rest. `hurt 5000` is how many milliseconds things go
wrong; `partial` behind it leaves all but a majority down or cut off for a while before all is healed.

A VIOLATION is the breach of a rule that holds in every world, such as `I-01: two leaders in term 7`. Every single one
is a bug, of the library or of the simulator. There are no flaky ones.";

const HELP_AFTER_FAILURE: &str = "\
When something breaks:
  1. The run prints a line that replays it, and the last lines of its timeline. The plan is in target/sim/.
       cargo run --release -p jraft-tests --bin sim -- replay target/sim/seed-17.plan --timeline 200
  2. Make the plan small. Most of what happens in it has nothing to do with the bug.
       cargo run --release -p jraft-tests --bin sim -- shrink target/sim/seed-17.plan -o small.plan
  3. Find the bug, fix it, and see the plan replay clean.
  4. Keep it: move the plan to tests/corpus/, where every test run replays it, and write a row into
     tests/TRACK-RECORD.md.

Examples:
  sim run                              100 seeds from 1
  sim run --seed 17                    one seed
  sim run --seeds 1..5000 --json       a range; the last line is a JSON object
  sim run --hours 10                   from seed 1, until groups have lived ten hours together
  sim run --mutant M7 --fail-fast      with a planted bug: it must be found
  sim soak --minutes 60                seeds that nobody has tried yet
  sim show 17 > mine.plan              a plan to edit

Exit status: 0 if nothing broke, 1 if anything did, 2 if the command line or a plan makes no sense.";

/// Simulated worlds for the library.
#[derive(Parser, Debug)]
#[command(
    name = "sim",
    about = "Runs groups of the library in simulated worlds, and looks for what must never be",
    long_about = LESSON,
    after_help = "`--help` tells what seeds, plans and violations are, and what to do on a failure.",
    after_long_help = HELP_AFTER_FAILURE
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) job: Job,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Job {
    /// Run many seeds
    Run(RunArgs),
    /// Run seeds that nobody has tried yet, for a time
    Soak(SoakArgs),
    /// Run one plan, and show its timeline if something breaks
    Replay(ReplayArgs),
    /// Find a small plan that breaks the same rule
    Shrink(ShrinkArgs),
    /// Print the plan of a seed
    Show {
        /// The seed
        seed: u64,
        #[command(flatten)]
        planted: Planted,
    },
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// This seed only
    #[arg(long, group = "which")]
    pub(crate) seed: Option<u64>,
    /// These seeds; B is not among them
    #[arg(long, group = "which", value_name = "A..B", value_parser = seeds)]
    pub(crate) seeds: Option<Seeds>,
    /// Seeds from 1, until their groups have lived so many simulated hours
    #[arg(long, group = "which", value_name = "H", value_parser = hours)]
    pub(crate) hours: Option<f64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) planted: Planted,
}

#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// How long, in real time
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) minutes: u64,
    /// Begin with this seed instead of one from the clock
    #[arg(long)]
    pub(crate) from: Option<u64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CommonArgs {
    /// Print a JSON object as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// How many worlds at the same time; one for each core without it
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Stop at the first violation
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Where plans of failures are written; without it `sim` beside the build's profiles, as in target/sim
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many lines of the first failure's timeline are shown
    #[arg(long, value_name = "LINES", default_value_t = 60)]
    pub(crate) timeline: usize,
}

/// A bug on purpose.
#[derive(Args, Debug)]
pub(crate) struct Planted {
    /// Plant this bug into the library, to see whether it is found
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(MUTANTS.map(|mutant| mutant.name)), hide_possible_values = true)]
    pub(crate) mutant: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A file with a plan
    pub(crate) plan: PathBuf,
    /// Show so many lines of the timeline, even if nothing breaks; 60 if something does
    #[arg(long, value_name = "LINES")]
    pub(crate) timeline: Option<usize>,
}

#[derive(Args, Debug)]
pub(crate) struct ShrinkArgs {
    /// A file with a plan that breaks a rule
    pub(crate) plan: PathBuf,
    /// Where the small plan is written; without it beside the plan, with `.small` in its name
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How many runs it may take
    #[arg(long, value_name = "RUNS", default_value_t = 500)]
    pub(crate) budget: usize,
}

/// Seeds in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    /// Not among them.
    pub(crate) end: u64,
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let wrong = || format!("{text:?} is no range of seeds like 1..100");
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let first = first.parse().map_err(|_| wrong())?;
    let end = end.parse().map_err(|_| wrong())?;
    if first < end { Ok(Seeds { first, end }) } else { Err(format!("no seed is in {text}")) }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| format!("{text:?} is no number of hours"))?;
    let some = hours > 0.0 && hours <= 1e6;
    if some { Ok(hours) } else { Err(format!("{text} is no time that could be simulated")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(line: &str) -> Option<Job> {
        Arguments::try_parse_from(line.split(' ')).ok().map(|arguments| arguments.job)
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn seeds_are_named_in_one_way_only() {
        let Some(Job::Run(args)) = parsed("sim run --seeds 3..7") else { panic!("not taken") };
        assert_eq!(args.seeds, Some(Seeds { first: 3, end: 7 }));
        for wrong in [
            "sim run --seeds 7..3",
            "sim run --seeds 7",
            "sim run --seed 1 --hours 2",
            "sim run --hours 0",
            "sim run --hours nan",
            "sim run --threads 0",
            "sim run --mutant M999",
            "sim show",
            "sim",
        ] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
    }
}
