//! The text of a script: paragraphs of commands, and what they print.

use std::fmt;

/// A command and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Commands that are carried out so many times, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) rounds: u64,
    pub(super) commands: Vec<Command>,
}

/// Commands, and what they print together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paragraph {
    /// Its first line.
    pub(super) line: usize,
    pub(super) blocks: Vec<Block>,
    pub(super) printed: Vec<String>,
    /// The lines of the commands, as they are written.
    written: Vec<String>,
}

enum Part {
    Paragraph(Paragraph),
    /// An empty line, or a comment outside of paragraphs.
    Other(String),
}

/// See the [module](self).
pub(super) struct Script(Vec<Part>);

/// Between commands and what they print.
const DASHES: &str = "----";

impl Script {
    /// Reads it.
    ///
    /// # Errors
    /// A block that does not end, say.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            if line.trim().is_empty() || line.starts_with('#') {
                parts.push(Part::Other(line.to_owned()));
                continue;
            }
            let mut written = vec![line.to_owned()];
            let mut printed = Vec::new();
            let mut dashes = false;
            while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
                if !dashes && line == DASHES {
                    dashes = true;
                } else {
                    let place = if dashes { &mut printed } else { &mut written };
                    place.push(line.trim_end().to_owned());
                }
            }
            let blocks = blocks(number + 1, &written)?;
            let paragraph = Paragraph { line: number + 1, blocks, printed, written };
            parts.push(Part::Paragraph(paragraph));
        }
        Ok(Self(parts))
    }

    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &Paragraph> {
        self.0.iter().filter_map(|part| match part {
            Part::Paragraph(paragraph) => Some(paragraph),
            Part::Other(_) => None,
        })
    }

    pub(super) fn paragraphs_mut(&mut self) -> impl Iterator<Item = &mut Paragraph> {
        self.0.iter_mut().filter_map(|part| match part {
            Part::Paragraph(paragraph) => Some(paragraph),
            Part::Other(_) => None,
        })
    }
}

fn blocks(first: usize, written: &[String]) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, text) in (first..).zip(written) {
        let text = text.trim();
        let command = Command { line, text: text.to_owned() };
        match (text.strip_prefix("repeat "), &mut open) {
            (Some(rounds), None) => {
                let rounds = rounds.parse().map_err(|_| format!("line {line}: repeat what?"))?;
                open = Some(Block { rounds, commands: Vec::new() });
            }
            (Some(_), Some(_)) => {
                return Err(format!("line {line}: no block stands in another"));
            }
            _ if text.starts_with('#') => {}
            (None, Some(_)) if text == "end" => blocks.extend(open.take()),
            (None, Some(block)) => block.commands.push(command),
            (None, None) => blocks.push(Block { rounds: 1, commands: vec![command] }),
        }
    }
    match open {
        None => Ok(blocks),
        Some(_) => Err(format!("line {first}: a block has no end")),
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Other(line) => writeln!(f, "{line}")?,
                Part::Paragraph(paragraph) => {
                    paragraph.written.iter().try_for_each(|line| writeln!(f, "{line}"))?;
                    if !paragraph.printed.is_empty() {
                        writeln!(f, "{DASHES}")?;
                    }
                    paragraph.printed.iter().try_for_each(|line| writeln!(f, "{line}"))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A story.\n\ngroup 3\nleader\n----\none leader\n\nrepeat 3\n  run 1s\n  # Why.\n  terms\nend\n----\none term\n\nheal\n";

    #[test]
    fn a_script_is_written_as_it_was_read() {
        let script = Script::parse(TEXT).unwrap();
        assert_eq!(script.to_string(), TEXT);
        let paragraphs: Vec<_> = script.paragraphs().collect();
        assert_eq!((paragraphs.len(), paragraphs[1].line), (3, 8));
        let [block] = &paragraphs[1].blocks[..] else { panic!("one block") };
        assert_eq!((block.rounds, block.commands.len()), (3, 2));
        assert_eq!(block.commands[1], Command { line: 11, text: "terms".to_owned() });
        assert_eq!(paragraphs[2].printed, Vec::<String>::new());
    }

    #[test]
    fn a_new_answer_replaces_the_old_one() {
        let mut script = Script::parse(TEXT).unwrap();
        for paragraph in script.paragraphs_mut() {
            paragraph.printed = vec!["new".to_owned()];
        }
        let text = TEXT.replace("one leader", "new").replace("one term", "new");
        assert_eq!(script.to_string(), text.replace("heal\n", "heal\n----\nnew\n"));
    }

    #[test]
    fn blocks_end_and_do_not_nest() {
        assert!(Script::parse("repeat 3\nrun 1s\n").is_err());
        assert!(Script::parse("repeat 3\nrepeat 3\nend\nend\n").is_err());
        assert!(Script::parse("repeat x\nend\n").is_err());
    }
}
