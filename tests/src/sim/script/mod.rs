//! Scenario scripts: text files that say what happens to a group, and what is seen of it then.
//!
//! A script is a list of paragraphs: commands, and behind a line of dashes what they print. It runs in the simulator, with
//! a fixed seed and everything quiet unless it says otherwise, and all checks judge all of it. The commands are described in
//! `tests/scripts/README.md`.

mod looks;
mod messages;
mod nodes;
mod pace;
mod proposals;
mod stage;
mod text;
mod waits;
mod words;

use self::stage::Stage;
use self::text::{Paragraph, Script};

/// How much of the timeline is shown with a failure.
const LINES: usize = 80;

/// Runs a script, with a planted bug if `mutant` names one.
///
/// # Errors
/// Where it went wrong, what a check said or what was printed instead, and the end of the timeline.
pub fn run_script(text: &str, mutant: Option<&str>) -> Result<(), String> {
    play(text, mutant).map(|_| ())
}

/// The script with what its commands print now.
///
/// # Errors
/// As [`run_script`], but for what is printed.
pub fn rewrite(text: &str) -> Result<String, String> {
    let mut script = Script::parse(text)?;
    let mut stage = Stage::new(None, true);
    for paragraph in script.paragraphs_mut() {
        paragraph.printed = print(&mut stage, paragraph)?;
    }
    Ok(script.to_string())
}

/// The timeline costs, so that only what fails is played a second time, with one.
fn play(text: &str, mutant: Option<&str>) -> Result<(), String> {
    let script = Script::parse(text)?;
    let perform = |with_timeline| -> Result<(), String> {
        let mut stage = Stage::new(mutant, with_timeline);
        script.paragraphs().try_for_each(|paragraph| compare(&mut stage, paragraph))
    };
    let Err(first) = perform(false) else { return Ok(()) };
    perform(true)?;
    Err(format!("I-34: it fails without a timeline only: {first}"))
}

fn compare(stage: &mut Stage, paragraph: &Paragraph) -> Result<(), String> {
    let printed = print(stage, paragraph)?;
    if printed == paragraph.printed {
        return Ok(());
    }
    let (line, wanted) = (paragraph.line, &paragraph.printed);
    let timeline = stage.timeline(LINES);
    Err(format!(
        "line {line}: printed is\n{}\nwhere the script says\n{}\n{timeline}",
        printed.join("\n"),
        wanted.join("\n")
    ))
}

/// Carries out a paragraph: the lines that it prints.
fn print(stage: &mut Stage, paragraph: &Paragraph) -> Result<Vec<String>, String> {
    let mut printed = Vec::new();
    for block in &paragraph.blocks {
        let mut first: Option<Vec<String>> = None;
        for round in 1..=block.rounds {
            let mut lines = Vec::new();
            for command in &block.commands {
                let said = stage.carry_out(&command.text).map_err(|wrong| {
                    let (line, text, timeline) =
                        (command.line, &command.text, stage.timeline(LINES));
                    let round =
                        if block.rounds > 1 { format!(", round {round}") } else { String::new() };
                    format!("{wrong}\n(line {line}: {text}{round})\n{timeline}")
                })?;
                lines.extend(said.lines().map(str::to_owned));
            }
            let known = first.get_or_insert_with(|| lines.clone());
            if *known != lines {
                return Err(format!(
                    "line {}: round {round} prints\n{}\nwhere the first one printed\n{}\n{}",
                    paragraph.line,
                    lines.join("\n"),
                    known.join("\n"),
                    stage.timeline(LINES)
                ));
            }
        }
        printed.extend(first.unwrap_or_default());
    }
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# One.\n\ngroup 1\nleader as L\nrepeat 2\n  propose L\n  ends\nend\n----\none leader\n1 committed\n";

    #[test]
    fn what_is_printed_is_compared_and_written_anew() {
        run_script(GOOD, None).unwrap();
        let other = GOOD.replace("1 committed", "2 committed");
        let wrong = run_script(&other, None).unwrap_err();
        assert!(wrong.starts_with("line 3: printed is\none leader\n1 committed\n"), "{wrong}");
        assert!(wrong.contains("leader of term 1"), "the timeline: {wrong}");
        assert_eq!(rewrite(&other).unwrap(), GOOD);
    }

    #[test]
    fn rounds_of_a_block_print_the_same() {
        let wrong =
            run_script("group 1\nelect a\nrepeat 2\n  propose a\n  ends\n  log a\nend\n", None);
        assert!(wrong.unwrap_err().contains("round 2 prints"));
    }

    #[test]
    fn a_command_that_fails_names_its_line() {
        for (script, complaint) in [
            ("run 1s\n", "a script begins with a group"),
            ("group 1\ngroup 1\n", "there is a group already"),
            ("group 9\n", "from 1 to 7"),
            ("group 1 raft.no_such_option=1\n", "no_such_option"),
            ("group 1\njump\n", "\"jump\" is no command"),
            ("group 1\nrun 1s 2s\n", "\"2s\" is too much"),
            ("group 1\ncrash b kill\n", "\"b\" is no node"),
            ("group 1\ncrash-at a kill 1 nowhere\n", "no node passes"),
            ("group 1\nrelease vote\n", "0 such messages are held"),
            ("group 3\nuntil a failed within 1s\n", "it is not so within 1s"),
        ] {
            let wrong = run_script(script, None).unwrap_err();
            let line = format!("(line {}: ", script.lines().count());
            assert!(wrong.contains(complaint) && wrong.contains(&line), "{script}: {wrong}");
        }
    }

    #[test]
    fn a_planted_bug_is_taken_out_again() {
        let script = "group 3\nelect a\nuntil-even\ncrash c kill\ndisk a log 100ms\npropose a\nrun 50ms\n----\neven\n";
        let wrong = run_script(script, Some("M16")).unwrap_err();
        assert!(wrong.starts_with("I-10"), "{wrong}");
        run_script(script, None).unwrap();
        assert!(run_script(script, Some("M0")).unwrap_err().contains("no mutant M0"));
    }
}
