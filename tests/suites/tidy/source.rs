//! Source files as the checks see them: without comments and texts, cut into uses, functions and signatures.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text of a Rust file with blanks for comments and for what stands in quotes. Lines stay where they are.
    pub(crate) code: String,
}

/// A function, with its line and the number of its lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
    /// Whether it carries `#[test]` or the like.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { blank(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is compiled for tests and benchmarks only.
    pub(crate) fn is_test(&self) -> bool {
        let folders = ["/tests/", "/benches/", "/suites/", "/testing/"];
        self.path.starts_with("tests/")
            || folders.iter().any(|folder| self.path.contains(folder))
            || ["tests.rs", "testing.rs"].iter().any(|end| self.path.ends_with(end))
    }

    /// The code before the tests at its end.
    pub(crate) fn product_code(&self) -> &str {
        let mut from = 0;
        while let Some(at) = self.code[from..].find("#[cfg(test)]") {
            let at = from + at;
            let rest = self.code[at + "#[cfg(test)]".len()..].trim_start();
            let inline =
                rest.starts_with("mod ") && rest.find('{') < rest.find(';').or(Some(usize::MAX));
            if inline {
                return &self.code[..at];
            }
            from = at + 1;
        }
        &self.code
    }

    /// Every path that the product code's `use` lines bring in, in full.
    pub(crate) fn uses(&self) -> Vec<String> {
        let mut all = Vec::new();
        for statement in self.product_code().split(';') {
            let Some(tree) = use_tree(statement) else { continue };
            let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
            expand("", &tree, &mut all);
        }
        all
    }

    /// The functions with a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let bytes = self.code.as_bytes();
        let mut found = Vec::new();
        for (at, word) in words(&self.code) {
            if word != "fn" {
                continue;
            }
            let Some((name_at, name)) = words(&self.code[at + 2..]).next() else { continue };
            if !self.code[at + 2..at + 2 + name_at].trim().is_empty() {
                // The type `fn(..)`.
                continue;
            }
            let Some(body) = body_of(bytes, at) else { continue };
            let line = self.line_of(at);
            found.push(Function {
                name: name.to_owned(),
                line,
                lines: self.line_of(body) - line + 1,
                is_test: self.has_test_attribute(line),
            });
        }
        found
    }

    /// What users see: the text of each public signature with its line. Of traits and enums, all of it.
    pub(crate) fn public_signatures(&self) -> Vec<(usize, &str)> {
        let code = self.product_code();
        let mut found = Vec::new();
        for (at, word) in words(code) {
            if word != "pub" || code[at + 3..].starts_with('(') {
                continue;
            }
            let rest = &code[at..];
            let kind = words(rest).nth(1).map_or("", |(_, kind)| kind);
            let end = match kind {
                "trait" | "enum" => body_of(code.as_bytes(), at).map(|end| end - at),
                "use" => rest.find(';'),
                // Fields in brackets are private unless they say otherwise, and then they are found by themselves.
                "struct" => rest.find(['{', ';', '(']),
                "fn" | "const" | "async" | "type" | "static" | "mod" => rest.find(['{', ';']),
                _ => rest.find('\n'),
            };
            found.push((self.line_of(at), &rest[..end.unwrap_or(rest.len())]));
        }
        found
    }

    /// The number of the line in which the byte `at` stands, from 1.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    fn has_test_attribute(&self, line: usize) -> bool {
        let before: Vec<&str> = self.code.lines().take(line - 1).collect();
        let attributes = before.iter().rev().take_while(|line| {
            let line = line.trim();
            line.starts_with("#[") || line.is_empty() || line.starts_with("//")
        });
        attributes.into_iter().any(|line| line.contains("test]") || line.contains("test("))
    }
}

/// The files of the repository that people write: Rust, Markdown, TOML and scripts.
pub(crate) fn repository() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 100, "{} files are not this repository", files.len());
    files
}

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the package is a folder of the repository").to_owned()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && name != "target" && name != "data" {
                collect(root, &path, files);
            }
            continue;
        }
        let wanted = [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end));
        if wanted || folder.file_name().is_some_and(|folder| folder == ".ci") {
            let inside = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push(Source::new(&inside, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The identifiers of a text, with their places.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !is_word(bytes[at]) {
            at += 1;
        }
        let from = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        (from < at).then(|| (from, &text[from..at]))
    })
}

pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words(text).any(|(_, found)| found == word)
}

fn use_tree(statement: &str) -> Option<&str> {
    // What stands before it in the same statement ends with a brace, an attribute or nothing.
    let at = words(statement).find(|(_, word)| *word == "use")?.0;
    let before = statement[..at].trim_end();
    let fresh =
        before.is_empty() || before.ends_with(['}', '{', ']', ')']) || before.ends_with("pub");
    fresh.then(|| statement[at + 3..].trim())
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, tree: &str, all: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree);
        if !name.is_empty() {
            all.push(format!("{prefix}{name}"));
        }
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let rest = &tree[open + 1..];
    let inside = rest.strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut from) = (0, 0);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                expand(&prefix, &inside[from..at], all);
                from = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &inside[from..], all);
}

/// The place of the brace that ends the body of the item at `from`; none if it has no body.
fn body_of(code: &[u8], from: usize) -> Option<usize> {
    let (mut depth, mut around) = (0_usize, 0_isize);
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => around += 1,
            b')' | b']' => around -= 1,
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 && around == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Blanks for comments and for what stands in quotes.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => end_of_line(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_comment(bytes, at),
            b'"' => end_of_text(bytes, at),
            b'r' if is_raw(bytes, at) => end_of_raw(bytes, at),
            b'\'' => end_of_char(bytes, at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            let blanked = bytes[at..end].iter();
            out.extend(blanked.map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).expect("what is kept is cut at ASCII")
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| from + at)
}

fn end_of_comment(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    bytes.len()
}

fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn is_raw(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    let fresh = !before.is_ascii_alphanumeric() && before != b'_' || before == b'b';
    let hashes = bytes[at + 1..].iter().take_while(|&&byte| byte == b'#').count();
    fresh && bytes.get(at + 1 + hashes) == Some(&b'"')
}

fn end_of_raw(bytes: &[u8], from: usize) -> usize {
    let hashes = bytes[from + 1..].iter().take_while(|&&byte| byte == b'#').count();
    let end = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let inside = from + 2 + hashes;
    let at = bytes[inside..].windows(end.len()).position(|window| window == end);
    at.map_or(bytes.len(), |at| inside + at + end.len())
}

/// A character in quotes; a lifetime ends where it begins.
fn end_of_char(bytes: &[u8], from: usize) -> usize {
    if bytes.get(from + 1) == Some(&b'\\') {
        let rest = &bytes[(from + 3).min(bytes.len())..];
        return rest.iter().position(|&byte| byte == b'\'').map_or(from, |at| from + 4 + at);
    }
    let rest = std::str::from_utf8(&bytes[from + 1..]).unwrap_or_default();
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some(char), Some('\'')) => from + 2 + char.len_utf8(),
        _ => from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blank() {
        let text = "a /* b /* c */ */ \"d\\\"\" r#\"e\"f\"# 'g' '\\'' <'h> // i\nj";
        let code = Source::new("x.rs", text).code;
        let kept: Vec<&str> = words(&code).map(|(_, word)| word).collect();
        assert_eq!(kept, ["a", "h", "j"], "{code}");
        assert_eq!(code.len(), text.len());
    }

    #[test]
    fn uses_are_expanded_and_tests_left_out() {
        let text = "use a::{b, c::{d as e, self}};\nfn f() { use g::h; }\n#[cfg(test)]\nmod t {\nuse i::j;\n}";
        assert_eq!(Source::new("x.rs", text).uses(), ["a::b", "a::c::d", "a::c::self", "g::h"]);
    }

    #[test]
    fn functions_have_lengths() {
        let text = "trait T {\n fn none(&self);\n fn some(&self) {\n }\n}\n#[test]\nfn two(a: [u8; 2]) -> fn() {\n if x {\n }\n}\n";
        let found = Source::new("x.rs", text).functions();
        let found: Vec<_> =
            found.iter().map(|f| (f.name.as_str(), f.line, f.lines, f.is_test)).collect();
        assert_eq!(found, [("some", 3, 2, false), ("two", 7, 4, true)]);
    }

    #[test]
    fn signatures_end_where_bodies_begin() {
        let text = "pub fn f(a: A) -> B {\n c()\n}\npub(crate) fn g() {}\npub struct S {\n pub d: D,\n e: E,\n}\npub trait T {\n fn h(i: I);\n}\n";
        let source = Source::new("x.rs", text);
        let all: Vec<&str> = source.public_signatures().iter().map(|(_, text)| *text).collect();
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(has_word(all[0], "B") && !has_word(all[0], "c"));
        assert!(has_word(all[2], "D") && has_word(all[3], "I"));
    }
}
