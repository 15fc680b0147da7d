//! The committed messages and the table of required fields are what `proto/` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
        for (name, message) in std::iter::once((message.name().to_owned(), message)).chain(
            message.nested_type.iter().map(|n| (format!("{}.{}", message.name(), n.name()), n)),
        ) {
            let required: Vec<u32> = message
                .field
                .iter()
                .filter(|field| field.label == Some(LABEL_REQUIRED))
                .map(|field| u32::try_from(field.number()).unwrap())
                .collect();
            let nested: Vec<(u32, String)> = message
                .field
                .iter()
                .filter_map(|field| {
                    let inner = field.type_name.as_deref()?.strip_prefix(".jraft.")?;
                    let inner = set.file.iter().flat_map(|f| &f.message_type).find(|m| {
                        inner == m.name() || inner.starts_with(&format!("{}.", m.name()))
                    })?;
                    let _ = inner;
                    Some((
                        u32::try_from(field.number()).unwrap(),
                        field.type_name().trim_start_matches(".jraft.").to_owned(),
                    ))
                })
                .collect();
            said.insert(name, (required, nested));
        }
    }
    for (name, (required, nested)) in &said {
        let row = ALL_REQUIRED.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no row for {name}: {required:?} {nested:?}"));
        assert_eq!(row.fields, required, "required fields of {name}");
        // A nested message without required fields at any depth needs no row.
        let wanted: Vec<(u32, &str)> = nested
            .iter()
            .map(|(number, name)| (*number, name.as_str()))
            .filter(|(_, name)| asks_something(name))
            .collect();
        let have: Vec<(u32, &str)> = row.nested.iter().map(|(n, row)| (*n, row.name)).collect();
        assert_eq!(have, wanted, "nested messages of {name}");
    }
    assert_eq!(ALL_REQUIRED.len(), said.len(), "a row names a message that proto/ lacks");
}

fn asks_something(name: &str) -> bool {
    ALL_REQUIRED.iter().any(|row| row.name == name && deep(row))
}

fn deep(row: &RequiredFields) -> bool {
    !row.fields.is_empty() || row.nested.iter().any(|(_, inner)| deep(inner))
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

fn manifest() -> PathBuf {
    // The real folder, also when the test is built from a copy of the manifest elsewhere.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("proto").canonicalize().map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        |proto| proto.parent().expect("proto/ lies in the package").to_owned(),
    )
}
