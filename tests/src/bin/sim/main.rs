//! `sim`: runs groups in simulated worlds, replays what went wrong, and makes it small. `--help` has the whole story.
#![allow(clippy::print_stderr, reason = "a program tells what it found")]

/// As `print!`; a reader that has seen enough, as `head` has, ends the program in silence.
macro_rules! say {
    ($($what:tt)*) => { crate::output::write(format_args!($($what)*)) };
}

/// The same with the end of a line.
macro_rules! sayln {
    ($($what:tt)*) => { crate::output::write(format_args!("{}\n", format_args!($($what)*))) };
}

mod args;
mod campaign;
mod failure;
mod output;
mod progress;
mod real_time;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use jraft_tests::sim::plan::Plan;
use jraft_tests::sim::shrink::{Break, rule_of, shrink};
use jraft_tests::sim::swarm::plan_of;

use args::{Arguments, CommonArgs, Job, ReplayArgs, RunArgs, Seeds, ShrinkArgs, SoakArgs};
use campaign::{Campaign, Ended, Trouble, Until, carry_out};
use progress::Progress;
use tally::Tally;

/// Something broke.
const BROKEN: u8 = 1;

/// The command line, or a plan, makes no sense.
const USAGE: u8 = 2;

/// How many failures are told at length, and kept as plans; of the rest, only the seeds.
const TOLD: usize = 20;

fn main() -> ExitCode {
    let done = match Arguments::parse().job {
        Job::Run(args) => many(&campaign_of(&args), &args.common),
        Job::Soak(args) => soak(&args),
        Job::Replay(args) => replay(&args),
        Job::Shrink(args) => make_small(&args),
        Job::Show { seed, planted } => {
            say!("{}", Plan { mutant: planted.mutant, ..plan_of(seed) });
            Ok(false)
        }
    };
    match done {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(USAGE)
        }
    }
}

fn campaign_of(args: &RunArgs) -> Campaign {
    let RunArgs { seed, seeds, hours, common, planted } = args;
    let one = seed.map(|seed| Seeds { first: seed, end: seed.saturating_add(1) });
    let seeds = one.or(*seeds).unwrap_or(Seeds { first: 1, end: 101 });
    let (first, until) = match hours {
        None => (seeds.first, Until::Seed(seeds.end)),
        Some(hours) => (1, Until::Simulated((hours * 3600e9) as u64)),
    };
    let most = if hours.is_some() { u64::MAX } else { seeds.end - seeds.first };
    let threads = threads(common).min(usize::try_from(most).unwrap_or(usize::MAX));
    let (mutant, fail_fast) = (planted.mutant.clone(), common.fail_fast);
    Campaign { first, until, threads, mutant, fail_fast }
}

fn threads(common: &CommonArgs) -> usize {
    common.threads.or_else(|| available_parallelism().ok()).map_or(1, Into::into)
}

fn soak(args: &SoakArgs) -> Result<bool, String> {
    let first = args.from.unwrap_or_else(real_time::fresh_seed);
    eprintln!("seeds from {first}");
    let until = Until::Real(Duration::from_secs(args.minutes * 60));
    let (threads, fail_fast) = (threads(&args.common), args.common.fail_fast);
    many(&Campaign { first, until, threads, mutant: None, fail_fast }, &args.common)
}

/// Runs all, tells of failures as they come, and of everything in the end. Whether something broke.
fn many(campaign: &Campaign, common: &CommonArgs) -> Result<bool, String> {
    let folder = common.out.clone().unwrap_or_else(failure::usual_folder);
    let mut failures = 0;
    let mut progress = Progress::new();
    let tally = campaign.run(&mut progress, |ended, progress| {
        let Some(wrong) = ended.violation() else { return };
        failures += 1;
        if failures <= TOLD {
            progress.clear();
            let lines = if failures == 1 { common.timeline } else { 0 };
            tell_failure(campaign, ended, wrong, &folder, lines);
        }
    });
    progress.clear();
    say!("{}", tally.table());
    if common.json {
        sayln!("{}", tally.json());
    }
    Ok(!tally.violations.is_empty())
}

fn tell_failure(campaign: &Campaign, ended: &Ended, wrong: &str, folder: &Path, lines: usize) {
    let plan = campaign.plan(ended.seed);
    sayln!("seed {}: {wrong}", ended.seed);
    if lines > 0 {
        sayln!("{}", failure::tell(&plan, ended.outcome.as_ref().ok(), lines));
    }
    match failure::keep(&plan, wrong, folder) {
        Ok(path) => sayln!("{}\n", failure::way_on(&path)),
        Err(error) => sayln!("the plan cannot be written to {}: {error}\n", folder.display()),
    }
}

fn read_plan(path: &Path) -> Result<Plan, String> {
    let wrong = |error: String| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    text.parse().map_err(wrong)
}

fn replay(args: &ReplayArgs) -> Result<bool, String> {
    let plan = read_plan(&args.plan)?;
    let report = match carry_out(&plan, true) {
        Ok(report) => report,
        Err(Trouble::Plan(why)) => return Err(format!("{}: {why}", args.plan.display())),
        Err(panic) => {
            sayln!("{panic}");
            return Ok(true);
        }
    };
    let lines = args.timeline.or_else(|| report.broken.as_ref().map(|_| 60));
    if let Some(lines) = lines {
        sayln!("{}", report.timeline.show(lines));
    }
    let mut tally = Tally::new(plan.seed);
    tally.threads = 1;
    tally.add(&report);
    say!("{}", tally.counts());
    let expected = plan.expect.as_deref();
    match &report.broken {
        None => sayln!("nothing broke"),
        Some(broken) => sayln!("{broken}"),
    }
    let broken = report.broken.as_deref().map(rule_of);
    if let Some(expected) = expected {
        let as_said = if broken.as_deref() == Some(expected) { "as" } else { "not as" };
        sayln!("{as_said} the plan says: {expected}");
    }
    Ok(report.broken.is_some())
}

fn make_small(args: &ShrinkArgs) -> Result<bool, String> {
    let plan = read_plan(&args.plan)?;
    let mut run = |plan: &Plan| match carry_out(plan, false) {
        Ok(report) => report.broken.map(|text| Break { text, at: report.time }),
        Err(panic @ Trouble::Panic(_)) => Some(Break { text: panic.to_string(), at: u64::MAX }),
        Err(Trouble::Plan(_)) => None,
    };
    let mut tell = |line: &str| eprintln!("{line}");
    let small = shrink(&plan, args.budget, &mut run, &mut tell);
    let small = small.map_err(|why| format!("{}: {why}", args.plan.display()))?;
    let path = args.out.clone().unwrap_or_else(|| small_name(&args.plan));
    let written = fs::write(&path, small.plan.to_string());
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    say!("{}", small.plan);
    sayln!("written to {}\n{}", path.display(), failure::way_on(&path));
    Ok(false)
}

fn small_name(plan: &Path) -> PathBuf {
    plan.with_extension("small.plan")
}
