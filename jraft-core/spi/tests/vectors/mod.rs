//! Reads the recorded tables beside this file. Their first line names the columns; they are described in `README.md`.

use std::collections::BTreeMap;
use std::ops::Index;
use std::path::Path;

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Row(BTreeMap<String, String>);

impl Index<&str> for Row {
    type Output = String;

    fn index(&self, column: &str) -> &String {
        self.0.get(column).unwrap_or_else(|| panic!("no column {column}"))
    }
}

/// The lines of a table. Columns that a line leaves out are empty.
pub(crate) fn rows(file: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let table = std::fs::read_to_string(&path).expect("the table is in the repository");
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().expect("a line of columns").split('\t').collect();
    let rows: Vec<Row> = lines
        .map(|line| {
            let mut cells = line.split('\t');
            let cell =
                |column: &&str| ((*column).to_owned(), cells.next().unwrap_or_default().to_owned());
            Row(columns.iter().map(cell).collect())
        })
        .collect();
    assert!(!rows.is_empty(), "{file} has no rows");
    rows
}

/// The text in double quotes, with its escapes resolved.
#[allow(dead_code, reason = "not every test that reads tables needs it")]
pub(crate) fn unquote(cell: &str) -> String {
    serde_json::from_str(cell).unwrap_or_else(|error| panic!("{cell}: {error}"))
}

/// Bytes of pairs of hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal digits"))
        .collect()
}
