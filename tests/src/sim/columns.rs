//! A table for a person: one column a node, one line an event, as wide as it must be and as a screen allows.

use std::fmt::Write as _;

/// Something that happened to a node, or to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds of the world.
    pub at: u64,
    /// Whose column it stands in; none: it takes the whole line.
    pub node: Option<usize>,
    /// What.
    pub text: String,
}

/// The width of a table that need not be wider.
const SCREEN: usize = 160;

/// Columns do not get narrower, however many there are.
const NARROWEST: usize = 16;

/// The table of these lines. What is too long for its column is cut; what takes a whole line is not.
pub fn table<'a>(heads: &[String], lines: impl Iterator<Item = &'a Line> + Clone) -> String {
    let widths = widths(heads, lines.clone());
    let whole = widths.iter().map(|width| width + 3).sum::<usize>();
    let mut text = format!("{:>12}", "ms");
    for (head, width) in heads.iter().zip(&widths) {
        let _ = write!(text, " | {head:<width$}");
    }
    end_line(&mut text);
    for line in lines {
        let _ = write!(text, "{:>12.3}", line.at as f64 / 1e6);
        match line.node {
            Some(node) => row(&mut text, node, &line.text, &widths),
            None => {
                let _ = write!(text, " {:-<whole$}", format!("---- {} ", line.text));
            }
        }
        end_line(&mut text);
    }
    text
}

fn row(text: &mut String, node: usize, cell: &str, widths: &[usize]) {
    for (column, &width) in widths.iter().enumerate() {
        let cell = if column == node { cut(cell, width) } else { String::new() };
        let _ = write!(text, " | {cell:<width$}");
    }
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end().len());
    text.push('\n');
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut kept: String = cell.chars().take(width - 1).collect();
    kept.push('…');
    kept
}

/// What each column would like to have, less what is too much, taken from the widest.
fn widths<'a>(heads: &[String], lines: impl Iterator<Item = &'a Line>) -> Vec<usize> {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for line in lines {
        if let Some(width) = line.node.and_then(|node| widths.get_mut(node)) {
            *width = line.text.chars().count().max(*width);
        }
    }
    let mut whole: usize = 12 + widths.iter().map(|width| width + 3).sum::<usize>();
    while whole > SCREEN {
        let Some(widest) = widths.iter_mut().max() else { break };
        if *widest <= NARROWEST {
            break;
        }
        *widest -= 1;
        whole -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: impl Into<Option<usize>>, text: &str) -> Line {
        Line { at: 1_500_000, node: node.into(), text: text.to_owned() }
    }

    fn show(heads: &[&str], lines: &[Line]) -> String {
        let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
        table(&heads, lines.iter())
    }

    #[test]
    fn a_column_is_as_wide_as_its_longest_cell() {
        let text = show(&["a", "b"], &[line(0, "votes"), line(1, "no"), line(None, "heal")]);
        let wanted = "          ms | a     | b\n       1.500 | votes |\n       1.500 |       | no\n       \
                      1.500 ---- heal ---\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn what_is_too_much_for_a_screen_is_cut_where_most_is() {
        let (long, short) = ("x".repeat(300), "y".repeat(20));
        let text = show(&["a", "b"], &[line(0, &long), line(1, &short), line(None, &long)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with("x… |") && lines[2].ends_with(&short), "{text}");
        assert!(lines[..3].iter().all(|line| line.chars().count() <= SCREEN), "{text}");
        assert!(lines[3].contains(&long), "{text}");
    }

    #[test]
    fn many_columns_stay_readable() {
        let text = show(&["a"; 12], &[line(11, "0123456789abcdefghi")]);
        assert!(text.contains("0123456789abcdefghi"), "{text}");
        let wide: Vec<Line> = (0..12).map(|node| line(node, &"z".repeat(99))).collect();
        assert!(show(&["a"; 12], &wide).contains(&format!("{}…", "z".repeat(NARROWEST - 1))));
    }
}
