//! The committed messages and the table of required fields are what `proto/` says.

use std::collections::BTreeMap;
use std::path::Path;

use jraft_spi::pb::{ALL_REQUIRED, RequiredFields};

const FILES: [&str; 4] = ["raft.proto", "storage.proto", "rpc.proto", "cli.proto"];
const COMMAND: &str = "UPDATE_PB=1 cargo test -p jraft-spi --test generated";
const LABEL_REQUIRED: i32 = 2;

#[test]
fn committed_messages_are_what_the_protos_say() {
    let fresh = generate();
    let path = manifest().join("src/pb/jraft.rs");
    if update_asked() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "{} is not what proto/ says; run: {COMMAND}", path.display());
}

#[test]
fn required_fields_are_what_the_protos_say() {
    let set = protox::compile(FILES, [manifest().join("proto")]).unwrap();
    let mut said = BTreeMap::new();
    for message in set.file.iter().flat_map(|file| &file.message_type) {
        said.insert(message.name().to_owned(), message);
        for inner in &message.nested_type {
            said.insert(format!("{}.{}", message.name(), inner.name()), inner);
        }
    }
    for (name, message) in &said {
        let fields = || message.field.iter().map(|field| (field, field.number().cast_unsigned()));
        let required: Vec<u32> = fields()
            .filter(|(field, _)| field.label == Some(LABEL_REQUIRED))
            .map(|(_, number)| number)
            .collect();
        // A message that asks nothing at any depth needs no row.
        let nested: Vec<(u32, &str)> = fields()
            .filter_map(|(field, number)| {
                Some((number, row(field.type_name().strip_prefix(".jraft.")?)?))
            })
            .filter(|(_, row)| asks_something(row))
            .map(|(number, row)| (number, row.name))
            .collect();
        let row = row(name).unwrap_or_else(|| panic!("no row for {name}: {required:?} {nested:?}"));
        assert_eq!(row.fields, required, "required fields of {name}");
        let have: Vec<(u32, &str)> = row.nested.iter().map(|(n, inner)| (*n, inner.name)).collect();
        assert_eq!(have, nested, "nested messages of {name}");
    }
    assert_eq!(ALL_REQUIRED.len(), said.len(), "a row names a message that proto/ lacks");
}

fn row(name: &str) -> Option<&'static RequiredFields> {
    ALL_REQUIRED.iter().copied().find(|row| row.name == name)
}

fn asks_something(row: &RequiredFields) -> bool {
    !row.fields.is_empty() || row.nested.iter().any(|(_, inner)| asks_something(inner))
}

fn generate() -> String {
    let set = protox::compile(FILES, [manifest().join("proto")]).expect("the protos are valid");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = prost_build::Config::new();
    config.out_dir(dir.path()).bytes(["."]);
    config.compile_fds(set).expect("code for the protos");
    std::fs::read_to_string(dir.path().join("jraft.rs")).expect("one file for package jraft")
}

#[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the library")]
fn update_asked() -> bool {
    std::env::var("UPDATE_PB").is_ok_and(|value| value == "1")
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
