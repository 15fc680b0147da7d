//! What is shown and kept of a violation: a plan that replays it, and what happened at last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jraft_tests::sim::plan::Plan;
use jraft_tests::sim::run::Report;
use jraft_tests::sim::shrink::rule_of;

use crate::campaign::carry_out;

/// How every line begins that a person shall copy.
pub(crate) const COMMAND: &str = "cargo run --release -p jraft-tests --bin sim --";

/// Where plans of failures go, unless somebody says otherwise: `target/sim` for `target/release/sim`.
pub(crate) fn usual_folder() -> PathBuf {
    let program = std::env::current_exe().ok();
    let target = program.as_deref().and_then(|program| program.ancestors().nth(2));
    target.map_or_else(|| Path::new("target").join("sim"), |target| target.join("sim"))
}

/// Writes the plan of a failure, and returns the path as a person would type it.
pub(crate) fn keep(plan: &Plan, broken: &str, folder: &Path) -> io::Result<PathBuf> {
    let mut plan = plan.clone();
    let name = match &plan.mutant {
        None => format!("seed-{}.plan", plan.seed),
        Some(mutant) => format!("seed-{}-{mutant}.plan", plan.seed),
    };
    plan.story.extend(broken.lines().map(str::to_owned));
    plan.expect = Some(rule_of(broken));
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    fs::write(&path, plan.to_string())?;
    Ok(short(&path))
}

/// As seen from here, if it is below.
pub(crate) fn short(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}

/// The lines that tell how to go on.
pub(crate) fn way_on(path: &Path) -> String {
    let path = path.display();
    format!("replay: {COMMAND} replay {path}\nshrink: {COMMAND} shrink {path}")
}

/// Runs the plan once more, and tells its last lines. If it does something else now, that is the greater trouble.
pub(crate) fn tell(plan: &Plan, before: Option<&Report>, lines: usize) -> String {
    match carry_out(plan, true) {
        Err(trouble) => trouble.to_string(),
        Ok(report) => {
            let timeline = report.timeline.show(lines);
            match before.filter(|before| before.digest != report.digest) {
                None => timeline,
                Some(_) => format!("I-34: the same plan ran another way this time\n{timeline}"),
            }
        }
    }
}
