//! Log entries have the bytes and checksums Java gives them, and no bytes at all can do harm.

mod vectors;

use bytes::Bytes;
use jraft_spi::entity::{DecodeEntryError, EncodeV1Error};
use jraft_spi::{EntryPeers, EntryType, LogEntry, LogId, LogIndex, PeerId, Term};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use vectors::{Row, hex, rows};

#[test]
fn checksums() {
    let both = rows("log_entry_checksum.tsv").into_iter().chain(rows("entries.tsv"));
    for row in both {
        let entry = entry(&row);
        let sum = entry.compute_checksum();
        assert_eq!(format!("{sum:016x}"), row["checksum_hex"], "{row:?}");
        assert_eq!(sum.cast_signed().to_string(), row["checksum_dec"], "{row:?}");
        assert_eq!(entry.with_checksum().verify_checksum(), Ok(()));
    }
}

#[test]
fn checksum_of_a_slice() {
    for row in rows("log_entry_slice_checksum.tsv") {
        let cell = |column: &str| row[column].parse::<usize>().unwrap();
        let data = Bytes::from(hex(&row["buffer_hex"])).slice(cell("position")..cell("limit"));
        let entry = LogEntry::data(id(&row), data);
        assert_eq!(format!("{:016x}", entry.compute_checksum()), row["checksum_hex"]);
    }
}

#[test]
fn corruption_is_seen() {
    let id = LogId::new(LogIndex(5), Term(1));
    let mut entry = LogEntry::data(id, Bytes::from_static(b"hello")).with_checksum();
    let expected = entry.checksum.unwrap();
    entry.data = Bytes::from_static(b"hellp");
    let mismatch = entry.verify_checksum().unwrap_err();
    assert_eq!((mismatch.index, mismatch.term), (LogIndex(5), Term(1)));
    assert_eq!((mismatch.expected, mismatch.real), (expected, entry.compute_checksum()));
    entry.checksum = None;
    assert_eq!(entry.verify_checksum(), Ok(()));
}

#[test]
fn bytes_are_those_of_java() {
    for row in rows("entries.tsv") {
        let plain = entry(&row);
        let summed = plain.clone().with_checksum();
        for (entry, column) in [(&plain, "v2_hex"), (&summed, "v2_with_checksum_hex")] {
            let bytes = hex(&row[column]);
            assert_eq!(entry.encode(), bytes, "{column} {row:?}");
            let mut appended = vec![7];
            assert_eq!(entry.encode_into(&mut appended), bytes.len());
            assert_eq!(appended[1..], bytes);
            check_decoded(&bytes, entry);
        }
        if let Some(why) = row["v1_hex"].strip_prefix("refused: ") {
            let error = plain.encode_v1().unwrap_err();
            assert_eq!(error, EncodeV1Error::Learners, "{row:?}");
            assert_eq!(error.to_string(), why);
        } else {
            let bytes = hex(&row["v1_hex"]);
            assert_eq!(summed.encode_v1().unwrap(), bytes, "{row:?}");
            check_decoded(&bytes, &plain);
        }
    }
}

#[test]
fn data_is_not_copied_out_of_shared_bytes() {
    let entry = LogEntry::data(LogId::NONE, Bytes::from_static(b"hello"));
    for encoded in [entry.encode(), entry.encode_v1().unwrap()] {
        let data = LogEntry::decode_bytes(&encoded).unwrap().data;
        assert!(encoded.as_ptr_range().contains(&data.as_ptr()));
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let error = |digits: &str| LogEntry::decode(&hex(digits)).unwrap_err().to_string();
    for (digits, text) in [
        ("", "log entry: 0 bytes are too few"),
        ("bbd2010000", "log entry: 5 bytes are too few"),
        ("0bd201000000", "log entry: starts with [0b, d2], which is no known encoding"),
        ("bbd202000000", "log entry: version 2 is unknown"),
        ("bbd201000000", "log entry: message PBLogEntry lacks its required field 1"),
        ("bbd20100000008021001180132", "log entry: failed to decode Protobuf message: "),
        ("bbd2010000000802100118013205", "log entry: failed to decode Protobuf message: "),
        ("bbd201000000080210011801", "log entry: message PBLogEntry lacks its required field 6"),
        ("bbd2010000000804100118013200", "log entry: entry type \"4\": 0 to 3 are known"),
        ("bbd20100000008031001180122013a3200", "log entry: peer id \":\": port, idx and"),
        (
            "bbd201000000080210011 8ffffffffffffffffff013200",
            "log entry: index is -1, a negative number",
        ),
        ("b8", "log entry: 1 bytes are too few"),
        ("b800000002000000000000000100000000000000017fffffff", "log entry: 25 bytes are too few"),
        (
            "b80000000200000000000000010000000000000001ffffffff00000000",
            "log entry: number of peers is -1, a negative number",
        ),
        (
            "b8000000020000000000000001000000000000000100000001ffff",
            "log entry: length of a peer is -1, a negative number",
        ),
    ] {
        let error = error(&digits.replace(' ', ""));
        assert!(error.starts_with(text), "{digits}: {error}");
    }
    // Reserved bytes are ignored.
    assert!(LogEntry::decode(&hex("bbd201ffffff080210011801320568656c6c6f")).is_ok());
}

#[test]
fn a_peer_too_long_for_version_1_is_refused() {
    let peer = PeerId::from(jraft_spi::Endpoint::new("a".repeat(32768), 1));
    let peers = EntryPeers { peers: vec![peer], ..EntryPeers::default() };
    let entry = LogEntry::configuration(LogId::NONE, peers);
    assert_eq!(entry.encode_v1(), Err(EncodeV1Error::PeerTooLong(32770)));
}

#[test]
fn truncated_entries_are_refused_or_shorter() {
    for row in rows("entries.tsv") {
        for column in ["v2_hex", "v2_with_checksum_hex"] {
            let bytes = hex(&row[column]);
            for len in 0..bytes.len() {
                // Only the optional fields after the data may be missing.
                if let Ok(entry) = LogEntry::decode(&bytes[..len]) {
                    assert_eq!(entry.data, data(&row), "{column} {len} {row:?}");
                }
            }
        }
        if !row["v1_hex"].starts_with("refused") {
            let bytes = hex(&row["v1_hex"]);
            for len in 0..bytes.len() - data(&row).len() {
                let cut = LogEntry::decode(&bytes[..len]);
                assert_eq!(cut, Err(DecodeEntryError::TooShort(len)), "{row:?}");
            }
        }
    }
}

#[test]
fn no_bytes_do_harm() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let seeds: Vec<Vec<u8>> = rows("entries.tsv")
        .iter()
        .flat_map(|row| ["v2_with_checksum_hex", "v1_hex"].map(|column| row[column].clone()))
        .filter(|digits| !digits.starts_with("refused"))
        .map(|digits| hex(&digits))
        .collect();
    let mut below = |end: usize| usize::try_from(random.next_u64() % end as u64).unwrap();
    for _ in 0..100_000 {
        let mut bytes = seeds[below(seeds.len())].clone();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            bytes[at] = u8::try_from(below(256)).unwrap();
        }
        bytes.truncate(bytes.len() - below(bytes.len().min(9)));
        if let Ok(entry) = LogEntry::decode(&bytes) {
            let again = LogEntry::decode(&entry.encode());
            assert_eq!(again.as_ref(), Ok(&entry), "{bytes:02x?}");
        }
        let noise: Vec<u8> = (0..below(64)).map(|_| u8::try_from(below(256)).unwrap()).collect();
        for head in [&[][..], &[0xBB, 0xD2, 1, 0, 0, 0], &[0xB8]] {
            let _ = LogEntry::decode(&[head, &noise].concat());
        }
    }
}

fn check_decoded(bytes: &[u8], entry: &LogEntry) {
    assert_eq!(LogEntry::decode(bytes).as_ref(), Ok(entry));
    assert_eq!(LogEntry::decode_bytes(&Bytes::copy_from_slice(bytes)).as_ref(), Ok(entry));
    // Equality of peers does not look at the priority; the text does.
    let texts = |entry: &LogEntry| -> Vec<String> {
        entry.conf.iter().flat_map(|conf| conf.iter().map(ToString::to_string)).collect()
    };
    let decoded = LogEntry::decode(bytes).expect("just decoded");
    assert_eq!(texts(&decoded), texts(entry));
}

fn entry(row: &Row) -> LogEntry {
    let list = |column: &str| -> Vec<PeerId> {
        let texts = row[column].split(',').filter(|text| *text != "-");
        texts.map(|text| text.parse().expect("a peer of the table")).collect()
    };
    let peers = EntryPeers {
        peers: list("peers"),
        old_peers: list("old_peers"),
        learners: list("learners"),
        old_learners: list("old_learners"),
    };
    let mut entry = LogEntry::configuration(id(row), peers);
    let kind: i32 = row["type"].parse().expect("a number");
    entry.kind = EntryType::try_from(kind).expect("a type of entry");
    if entry.kind != EntryType::Configuration {
        assert_eq!(entry.conf.take().as_deref(), Some(&EntryPeers::default()), "{row:?}");
    }
    entry.data = data(row);
    entry
}

fn data(row: &Row) -> Bytes {
    if &row["data_hex"] == "-" { Bytes::new() } else { hex(&row["data_hex"]).into() }
}

fn id(row: &Row) -> LogId {
    let number = |column: &str| row[column].parse::<u64>().expect("a number");
    LogId::new(LogIndex(number("index")), Term(number("term")))
}
