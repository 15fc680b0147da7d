//! Term and vote: the bytes of Java, crashes, failures, files that are something else.

use std::sync::mpsc;

use super::*;
use crate::testing::{Crash, Op, SimDisk, new_disk};

fn meta(term: u64, vote: &str) -> RaftMeta {
    let voted_for = (!vote.is_empty()).then(|| vote.parse().unwrap());
    RaftMeta { term: Term(term), voted_for }
}

/// With priorities, which the equality of peers leaves out.
fn text(meta: &RaftMeta) -> (u64, String) {
    (meta.term.0, meta.voted_for.as_ref().map_or_else(String::new, ToString::to_string))
}

fn storage(disk: &SimDisk) -> FileMetaStorage {
    FileMetaStorage::new(Arc::new(disk.clone()), "/data/raft_meta")
}

fn save(storage: &mut FileMetaStorage, meta: &RaftMeta) -> Result<(), StorageError> {
    let (done, result) = mpsc::channel();
    storage.save(meta, Durable::new(move |end| done.send(end).unwrap()));
    result.recv().unwrap()
}

fn vectors() -> [(&'static [u8], RaftMeta); 7] {
    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/vectors/", $name, ".bin")).as_slice()
        };
    }
    [
        (file!("raft_meta.term1_nobody"), meta(1, "")),
        (file!("raft_meta.term5_8081"), meta(5, "127.0.0.1:8081")),
        (file!("raft_meta.term6_idx"), meta(6, "127.0.0.1:8081:3")),
        (file!("raft_meta.term7_idx_priority_ipv6"), meta(7, "[::1]:8081:2:50")),
        (file!("raft_meta.term128_priority"), meta(128, "127.0.0.1:8081::100")),
        (file!("raft_meta.term_max"), meta(i64::MAX as u64, "host.example:65535")),
        (file!("log_checksum.raft_meta"), meta(1, "127.0.0.1:18191")),
    ]
}

#[test]
fn t_sto_22_files_of_java_are_read_and_written_byte_for_byte() {
    for (bytes, expected) in vectors() {
        assert_eq!(text(&decode(bytes).unwrap()), text(&expected));
        assert_eq!(encode(&expected).unwrap(), bytes);
        if expected.term > Term::LAST {
            continue;
        }
        let disk = new_disk();
        let mut storage = storage(&disk);
        assert_eq!(storage.load().unwrap(), None);
        save(&mut storage, &expected).unwrap();
        assert_eq!(disk.bytes(storage.path()), bytes);
    }
}

#[test]
fn t_sto_20_saves_are_seen_again_after_a_crash() {
    let mut disk = new_disk();
    for (term, vote) in [(99, ""), (99, "a:1"), (100, "b:2:0:7"), (101, "")] {
        save(&mut storage(&disk), &meta(term, vote)).unwrap();
        disk = disk.crash(Crash::Lose);
        let found = storage(&disk).load().unwrap().unwrap();
        assert_eq!(text(&found), text(&meta(term, vote)));
    }
}

#[test]
fn a_crash_between_any_two_calls_leaves_the_old_or_the_new() {
    for (at, seed) in (0..12).flat_map(|at| (0..16).map(move |seed| (at, seed))) {
        let disk = new_disk();
        save(&mut storage(&disk), &meta(4, "a:1")).unwrap();
        disk.fail(at, |_| true);
        let saved = save(&mut storage(&disk), &meta(5, "b:1")).is_ok();
        let disk = disk.crash(if seed == 0 { Crash::Kill } else { Crash::Tear(seed) });
        let found = storage(&disk).load().unwrap().unwrap();
        assert!(found == meta(5, "b:1") || (found == meta(4, "a:1") && !saved), "{at} {found:?}");
        let after = storage(&disk.crash(Crash::Lose)).load().unwrap().unwrap();
        assert_eq!(after, found, "what was read was not durable");
    }
}

#[test]
fn t_sto_21_a_failed_save_is_reported_and_nothing_is_tried_after_it() {
    for kind in [
        (|op| matches!(op, Op::Create(_))) as fn(&Op) -> bool,
        |op| matches!(op, Op::Write(..)),
        |op| matches!(op, Op::Sync(_)),
        |op| matches!(op, Op::Rename(..)),
        |op| matches!(op, Op::SyncDir(_)),
    ] {
        let disk = new_disk();
        let mut storage = storage(&disk);
        save(&mut storage, &meta(1, "a:1")).unwrap();
        disk.fail(0, kind);
        save(&mut storage, &meta(2, "a:1")).unwrap_err();
        let calls = disk.ops().len();
        save(&mut storage, &meta(3, "a:1")).unwrap_err();
        storage.load().unwrap_err();
        assert_eq!(disk.ops().len(), calls);
    }
}

#[test]
fn the_order_is_write_sync_rename_sync_of_the_directory() {
    let disk = new_disk();
    let mut storage = storage(&disk);
    save(&mut storage, &meta(1, "a:1")).unwrap();
    let (tmp, path) =
        (PathBuf::from("/data/raft_meta/raft_meta.tmp"), storage.path().to_path_buf());
    let length = disk.bytes(&path).len();
    let expected = [
        Op::Create(tmp.clone()),
        Op::Write(tmp.clone(), 0, length),
        Op::Sync(tmp.clone()),
        Op::Rename(tmp, path),
        Op::SyncDir("/data/raft_meta".into()),
    ];
    assert_eq!(disk.ops(), expected);
    storage.load().unwrap();
    let rewritten = disk.ops().split_off(expected.len());
    assert_eq!(rewritten[rewritten.len() - expected.len()..], expected);
}

#[test]
fn a_leftover_temporary_file_is_ignored() {
    let disk = new_disk();
    let leftover = disk.create(Path::new("/data/raft_meta/raft_meta.tmp")).unwrap();
    leftover.write_at(0, b"half a file").unwrap();
    assert_eq!(storage(&disk).load().unwrap(), None);
    save(&mut storage(&disk), &meta(3, "")).unwrap();
    assert_eq!(storage(&disk).load().unwrap(), Some(meta(3, "")));
}

#[test]
fn a_file_that_is_cut_anywhere_or_too_long_is_refused() {
    for (bytes, _) in vectors() {
        for end in 0..bytes.len() {
            decode(&bytes[..end]).unwrap_err();
        }
        decode(&[bytes, &[0]].concat()).unwrap_err();
    }
}

/// The format has no checksum, so that a flipped bit can make another term or vote. It cannot make a panic, another
/// message, or a length that is believed.
#[test]
fn a_flipped_bit_gives_an_error_or_a_term_and_a_vote_of_the_same_form() {
    for (bytes, _) in vectors() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = decode(&flipped) {
                assert!(bit / 8 > 26, "the framing was flipped at {bit}");
                encode(&found).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_a_term_and_a_vote_is_refused() {
    let framed = |name: &str, message: &[u8]| {
        let length = |n: usize| (n as u32).to_be_bytes();
        let parts = [&length(name.len()), name.as_bytes(), &length(message.len()), message];
        parts.concat()
    };
    let refused = |bytes: &[u8], part: &str| {
        let text = decode(bytes).unwrap_err();
        assert!(text.contains(part), "{text}");
    };
    refused(&framed("jraft.Other", &[8, 1]), "jraft.Other");
    refused(&framed(MESSAGE_NAME, &[8, 1]), "lacks its required field 2");
    refused(&framed(MESSAGE_NAME, &[8, 1, 18, 1, b'x']), "its vote");
    refused(&framed(MESSAGE_NAME, &[8, 1, 18, 200]), "");
    refused(&[&[0x7f, 0xff, 0xff, 0xff], MESSAGE_NAME.as_bytes()].concat(), "ends within the name");
    refused(&[0xff; 40], "length -1");
    refused(&[], "ends within");
    let minus = pb::StablePbMeta { term: -1, votedfor: "a:1".into() }.encode_to_vec();
    refused(&framed(MESSAGE_NAME, &minus), "negative");
    encode(&meta(u64::MAX, "")).unwrap_err();
}

#[test]
fn a_term_that_no_peer_believes_is_neither_saved_nor_loaded() {
    let (last, beyond) = (Term::LAST.0, Term::LAST.0 + 1);
    let disk = new_disk();
    save(&mut storage(&disk), &meta(last, "a:1")).unwrap();
    assert_eq!(storage(&disk).load().unwrap(), Some(meta(last, "a:1")));
    save(&mut storage(&disk), &meta(beyond, "a:1")).unwrap_err();
    assert_eq!(storage(&disk).load().unwrap(), Some(meta(last, "a:1")));
    for term in [beyond, i64::MAX as u64] {
        let file = disk.create(storage(&disk).path()).unwrap();
        file.write_at(0, &encode(&meta(term, "a:1")).unwrap()).unwrap();
        let error = storage(&disk).load().unwrap_err().to_string();
        assert!(error.contains("is beyond the last term, 4611686018427387904"), "{error}");
    }
}

#[test]
fn a_huge_file_or_a_directory_in_its_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(crate::RealDisk::new());
    let path = dir.path().join("raft_meta");
    std::fs::write(&path, vec![0; 1 << 20]).unwrap();
    FileMetaStorage::new(Arc::clone(&disk), dir.path()).load().unwrap_err();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    FileMetaStorage::new(disk, dir.path()).load().unwrap_err();
}
