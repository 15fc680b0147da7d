//! The scenarios of the specification, and the tests that show them: one table, made from the names in the code.

use std::collections::BTreeMap;
use std::fs;

use super::repository;
use super::source::{Source, root};

const LIST: &str = "tests/scenarios.txt";
const PAGE: &str = "tests/README.md";
const BEGIN: &str =
    "<!-- The table is made from tests/scenarios.txt and the names of the tests. -->";
const END: &str = "<!-- End of the table. -->";

/// `T-TIM-4`, `S0-07`, `S4-Q2`: a family and a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(String);

/// The identifiers that the name of a test begins with: `t_tim_4_destroy`, `t_bal_3_to_5_x`, `s0_07_and_s4_q2_x`,
/// `s0_10_s4_15_x`.
fn ids_of(name: &str) -> Vec<Id> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut ids = Vec::new();
    let mut at = 0;
    loop {
        let (prefix, used) = match parts[at..] {
            ["t", family, ..] => (format!("T-{}-", family.to_uppercase()), 2),
            [family @ ("s0" | "s4"), ..] => (format!("{}-", family.to_uppercase()), 1),
            _ => return ids,
        };
        at += used;
        let Some(first) = parts.get(at).and_then(|part| number(part)) else { return ids };
        let last = match parts.get(at + 1..at + 3) {
            Some(["to", last]) => number(last).inspect(|_| at += 2),
            _ => None,
        };
        let last = last.unwrap_or_else(|| first.clone());
        ids.extend(between(&prefix, &first, &last));
        at += 1;
        while parts.get(at) == Some(&"and")
            && parts.get(at + 1).is_some_and(|next| number(next).is_some())
        {
            let next = number(parts[at + 1]).unwrap_or_else(|| first.clone());
            ids.extend(between(&prefix, &next, &next));
            at += 2;
        }
        // Another family may follow, with or without an "and": `s0_10_s4_15_x`.
        at += usize::from(parts.get(at) == Some(&"and"));
    }
}

/// `07` or `q2`.
fn number(part: &str) -> Option<(String, u32, usize)> {
    let letter = if part.starts_with('q') { "Q" } else { "" };
    let digits = &part[letter.len()..];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (letter.to_owned(), digits.parse().unwrap(), digits.len()))
}

fn between(prefix: &str, first: &(String, u32, usize), last: &(String, u32, usize)) -> Vec<Id> {
    let (letter, from, width) = first;
    (*from..=last.1).map(|number| Id(format!("{prefix}{letter}{number:0width$}"))).collect()
}

/// Which tests show which scenario.
fn shown(files: &[Source]) -> BTreeMap<Id, Vec<String>> {
    let mut shown: BTreeMap<Id, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for function in file.functions() {
            for id in ids_of(&function.name) {
                shown
                    .entry(id)
                    .or_default()
                    .push(format!("`{}` in `{}`", function.name, file.path));
            }
        }
    }
    shown
}

/// The rows: identifier, what it demands, which tests show it or what it waits for.
fn table(list: &str, shown: &BTreeMap<Id, Vec<String>>) -> Result<String, String> {
    let mut open = shown.clone();
    let mut page = String::from(
        "| scenario | demands | shown by, or waits for |\n| -------- | ------- | ---------------------- |\n",
    );
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [id, demands, waits] = columns[..] else {
            return Err(format!("not three columns: {line}"));
        };
        let by = match open.remove(&Id(id.to_owned())) {
            Some(tests) => tests.join(", "),
            None if waits == "-" => continue,
            None => format!("*{waits}*"),
        };
        page.push_str(&format!("| {id} | {demands} | {by} |\n"));
    }
    match open.first_key_value() {
        None => Ok(page),
        Some((id, tests)) => {
            Err(format!("{} shows {}, which {LIST} does not list", tests[0], id.0))
        }
    }
}

fn replace(page: &str, table: &str) -> String {
    let (head, rest) = page.split_once(BEGIN).expect("the page says where the table begins");
    let (_, tail) = rest.split_once(END).expect("the page says where the table ends");
    format!("{head}{BEGIN}\n\n{table}\n{END}{tail}")
}

/// With `JRAFT_WRITE_TABLES=1` the page is written anew.
#[test]
fn the_table_of_scenarios_names_every_test_that_shows_one() {
    let list = fs::read_to_string(root().join(LIST)).unwrap();
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let table = table(&list, &shown(&repository())).unwrap();
    let wanted = replace(&page, &table);
    if jraft_tests::setting("JRAFT_WRITE_TABLES").is_some() {
        fs::write(root().join(PAGE), &wanted).unwrap();
    } else {
        assert!(page == wanted, "{PAGE} is old: run this test with JRAFT_WRITE_TABLES=1");
    }
}

#[test]
fn names_carry_identifiers() {
    let text = |name: &str| ids_of(name).into_iter().map(|id| id.0).collect::<Vec<_>>().join(" ");
    assert_eq!(text("t_tim_14_stop_from_a_job"), "T-TIM-14");
    assert_eq!(text("t_bal_3_to_5_pending"), "T-BAL-3 T-BAL-4 T-BAL-5");
    assert_eq!(text("s0_07_property"), "S0-07");
    assert_eq!(text("s4_q2_and_s0_13_and_15_x"), "S4-Q2 S0-13 S0-15");
    assert_eq!(text("t_vote_1_and_5"), "T-VOTE-1 T-VOTE-5");
    assert_eq!(text("s0_08_t_vote_7_a_shorter_log"), "S0-08 T-VOTE-7");
    for name in ["start", "two_nodes", "t_tim", "s_1"] {
        assert_eq!(text(name), "", "{name}");
    }
}

#[test]
fn a_test_that_is_not_in_the_table_is_found() {
    let file = Source::new("x.rs", "#[test]\nfn t_tim_4_destroy() {\n}\n");
    let shown = shown(&[file]);
    let good =
        table("T-TIM-4 | destroys | simulator\nT-TIM-5 | adjusts | simulator\n", &shown).unwrap();
    assert!(good.contains("| T-TIM-4 | destroys | `t_tim_4_destroy` in `x.rs` |"), "{good}");
    assert!(good.contains("| T-TIM-5 | adjusts | *simulator* |"), "{good}");
    assert!(table("T-TIM-5 | adjusts | simulator\n", &shown).unwrap_err().contains("T-TIM-4"));
}
