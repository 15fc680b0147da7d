//! Checksums, texts, configurations and ballots are those Java has: `vectors/`, recorded from SOFAJRaft 1.4.1.

mod vectors;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use jraft_spi::entity::crc64;
use jraft_spi::{Ballot, Configuration, GroupId, LogId, LogIndex, PeerId, Term};
use vectors::{hex, rows, unquote};

#[test]
fn crc64_of_bytes() {
    for row in rows("crc64.tsv") {
        let bytes = if &row["input_hex"] == "-" { Vec::new() } else { hex(&row["input_hex"]) };
        let start: usize = row["offset"].parse().unwrap();
        let end = start + row["length"].parse::<usize>().unwrap();
        let sum = crc64(&bytes[start..end]);
        assert_eq!(format!("{sum:016x}"), row["crc64_hex"], "{row:?}");
        assert_eq!(sum.cast_signed().to_string(), row["crc64_dec"], "{row:?}");
    }
}

#[test]
fn checksum_of_log_ids() {
    for row in rows("log_id_checksum.tsv") {
        let index = LogIndex(row["index"].parse().unwrap());
        let id = LogId::new(index, Term(row["term"].parse().unwrap()));
        assert_eq!(format!("{:016x}", id.checksum()), row["checksum_hex"], "{row:?}");
    }
}

#[test]
fn group_ids() {
    for row in rows("group_id.tsv") {
        let group = GroupId::try_from(unquote(&row["text"]));
        assert_eq!(group.is_ok(), &row["result"] == "ok", "{row:?}");
        if let Ok(group) = group {
            assert_eq!(group.to_string(), unquote(&row["text"]));
        }
    }
}

#[test]
fn peer_ids() {
    for row in rows("peer_id.tsv") {
        let peer = PeerId::try_from(unquote(&row["text"]));
        if &row["result"] != "ok" {
            // Java fails or throws; ours does not tell the two apart.
            let known = &row["result"] == "fail" || row["result"].starts_with("throws ");
            assert!(known && peer.is_err(), "{row:?} {peer:?}");
            continue;
        }
        let peer = peer.unwrap();
        assert_eq!(peer.endpoint().host(), &row["ip"], "{row:?}");
        assert_eq!(peer.endpoint().port().to_string(), row["port"], "{row:?}");
        assert_eq!(peer.idx().to_string(), row["idx"], "{row:?}");
        assert_eq!(peer.priority().to_string(), row["priority"], "{row:?}");
        assert_eq!(peer.to_string(), row["to_string"], "{row:?}");
        assert_eq!(peer.is_empty().to_string(), row["is_empty"], "{row:?}");
        assert_eq!(format!("{:016x}", peer.checksum()), row["checksum_hex"], "{row:?}");
        assert_eq!(peer.to_string().parse::<PeerId>().unwrap().priority(), peer.priority());
    }
}

#[test]
fn equality_of_peer_ids() {
    let hash = |peer: &PeerId| {
        let mut hasher = DefaultHasher::new();
        peer.hash(&mut hasher);
        hasher.finish()
    };
    for row in rows("peer_id_equality.tsv") {
        let (a, b): (PeerId, PeerId) = (row["a"].parse().unwrap(), row["b"].parse().unwrap());
        assert_eq!((a == b).to_string(), row["equal"], "{row:?}");
        assert_eq!((hash(&a) == hash(&b)).to_string(), row["same_hash"], "{row:?}");
        let distinct = BTreeSet::from([a, b]).len();
        assert_eq!(distinct == 1, &row["equal"] == "true", "{row:?}");
    }
}

#[test]
fn texts_of_configurations() {
    let list = |peers: &[PeerId]| {
        let texts: Vec<String> = peers.iter().map(ToString::to_string).collect();
        format!("[{}]", texts.join(", "))
    };
    for row in rows("configuration.tsv") {
        let parsed = Configuration::parse_lenient(&unquote(&row["text"]));
        assert_eq!(parsed.is_some().to_string(), row["parsed"], "{row:?}");
        let conf = parsed.unwrap_or_default();
        assert_eq!(list(conf.peers()), row["peers"], "{row:?}");
        assert_eq!(list(conf.learners()), row["learners"], "{row:?}");
        assert_eq!(conf.to_string(), row["to_string"], "{row:?}");
        assert_eq!(conf.is_valid().to_string(), row["is_valid"], "{row:?}");
        assert_eq!(conf.is_empty().to_string(), row["is_empty"], "{row:?}");
        // What the strict parser accepts, it reads the same way.
        if let Ok(strict) = Configuration::try_from(unquote(&row["text"])) {
            assert_eq!(strict.to_string(), row["to_string"], "{row:?}");
        }
    }
}

#[test]
fn differences_of_configurations() {
    let list = |peers: Vec<PeerId>| {
        let texts: BTreeSet<String> = peers.iter().map(ToString::to_string).collect();
        texts.into_iter().collect::<Vec<_>>().join(",")
    };
    for row in rows("configuration_diff.tsv") {
        let read = |text: &str| Configuration::parse_lenient(text).unwrap();
        let (new, old) = (read(&row["new"]), read(&row["old"]));
        let (included, excluded) = new.diff(&old);
        assert_eq!(list(included), row["included(new-old)"], "{row:?}");
        assert_eq!(list(excluded), row["excluded(old-new)"], "{row:?}");
        assert_eq!((new == old).to_string(), row["equal"], "{row:?}");
        assert_eq!((old == new).to_string(), row["equal"], "{row:?}");
    }
}

#[test]
fn t_bal_1_ballots() {
    for row in rows("ballot.tsv") {
        let read = |text: &str| Configuration::parse_lenient(&unquote(text)).unwrap_or_default();
        let old_conf = (&row["old_conf"] != "-").then(|| read(&row["old_conf"]));
        let mut ballot = Ballot::new(&read(&row["conf"]), old_conf.as_ref());
        assert!(!ballot.is_granted(), "{row:?}");
        let granted: Vec<&str> = row["grants_in_order"]
            .split(' ')
            .map(|peer| if ballot.grant(&peer.parse().unwrap()) { "yes" } else { "no" })
            .collect();
        assert_eq!(granted.join(" "), row["granted_after_each"], "{row:?}");
    }
}
