//! Words that do not belong into the repository.

use super::source::{Source, has_word};
use super::{assert_clean, assert_finds, repository};

/// Work that is left open is written down where it is missing: in the README's table, or nowhere.
/// In pieces, or this file would be the first finding.
const OPEN_WORK: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
];

fn nothing_is_left_open(files: &[Source]) -> Vec<String> {
    findings(files, |_, line| {
        // A measurement checks nothing, and is run by whoever wants its numbers.
        let line = line.replace(concat!("#[ig", "nore = \"a measurement\"]"), "");

        OPEN_WORK.iter().find(|word| line.contains(**word)).map(|word| (*word).to_owned())
    })
}

/// Documents and comments speak of the project, not of how it came to be.
const ABOUT_THE_MAKING: [&str; 5] = [
    concat!("ses", "sion"),
    concat!("help", "er"),
    concat!("ag", "ent"),
    concat!("ag", "ents"),
    concat!("help", "ers"),
];

fn documents_speak_of_the_project(files: &[Source]) -> Vec<String> {
    findings(files, |file, line| {
        let document = file.path.ends_with(".md");
        let comment = comment_of(file, line)?;
        let lower = comment.to_lowercase();
        let word = ABOUT_THE_MAKING.iter().find(|word| document && has_word(&lower, word));
        let place = [concat!("/wo", "rk/"), concat!("/tmp/tar", "get")];
        let place = place.iter().find(|place| comment.contains(**place));
        let number = number_sign(comment);
        word.or(place).map(|word| (*word).to_owned()).or(number)
    })
}

/// What a line says to a reader: all of it in a document, the comment in code.
fn comment_of<'a>(file: &Source, line: &'a str) -> Option<&'a str> {
    if file.path.ends_with(".md") { Some(line) } else { line.find("//").map(|at| &line[at..]) }
}

/// A number sign with a number: whose list of numbers would that be?
fn number_sign(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find('#') {
        let digits = rest[at + 1..].chars().take_while(char::is_ascii_digit).count();
        let fresh = rest[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && before != '&');
        if digits > 0 && fresh {
            return Some(rest[at..=at + digits].to_owned());
        }
        rest = &rest[at + 1..];
    }
    None
}

fn findings(files: &[Source], find: impl Fn(&Source, &str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(word) = find(file, line) {
                found.push(format!("{}:{}: {word}", file.path, number + 1));
            }
        }
    }
    found
}

#[test]
fn no_work_is_left_open_in_the_code() {
    assert_clean(&nothing_is_left_open(&repository()));
    for word in OPEN_WORK {
        assert_finds(1, "x.rs", &format!("// {word} later"), nothing_is_left_open);
    }
}

#[test]
fn documents_and_comments_speak_of_the_project_alone() {
    assert_clean(&documents_speak_of_the_project(&repository()));
    for word in ABOUT_THE_MAKING {
        assert_finds(1, "x.md", &format!("the {word} said"), documents_speak_of_the_project);
    }
    assert_finds(1, "x.rs", concat!("// see #", "12"), documents_speak_of_the_project);
    assert_finds(1, "x.md", concat!("see (#", "7)"), documents_speak_of_the_project);
    assert_finds(1, "x.rs", concat!("// see /wo", "rk/x"), documents_speak_of_the_project);
    assert_finds(0, "x.md", "## 1 Heading, a#1, &#8203;", documents_speak_of_the_project);
    assert_finds(0, "x.rs", "let x = \"r#1\";", documents_speak_of_the_project);
}
