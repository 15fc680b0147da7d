//! The contract of the port, against any storage: to be moved beside the port, and run against every implementation.

use std::path::PathBuf;
use std::sync::Arc;

use jraft_spi::entity::{GroupId, LogIndex};
use jraft_spi::storage::{LogEngine, OpenedLog, ReadLimit};

use super::model::configuration;
use super::{SMALL, WalEngine, WalOptions};
use crate::testing::{Crash, SimDisk, entries, entry, new_disk, read, shared, silent, sized, sync};

/// A storage under test.
trait Host {
    /// Opens what is there.
    fn open(&self) -> Box<dyn LogEngine>;
    /// Ends all that is open, as a power failure does; false if this storage cannot be crashed in a test.
    fn crash(&mut self) -> bool;
}

struct Opened {
    engine: Box<dyn LogEngine>,
    log: OpenedLog,
}

impl Opened {
    fn at(host: &dyn Host) -> Self {
        let mut engine = host.open();
        let log = engine.open(&group()).expect("opens");
        Self { engine, log }
    }

    fn sync(&mut self) {
        sync(&mut *self.engine).expect("syncs");
    }

    fn extent(&self) -> (u64, u64) {
        (self.log.recovered.first.0, self.log.recovered.last.0)
    }
}

fn group() -> GroupId {
    "g".parse().expect("a name")
}

fn contract(make: &dyn Fn() -> Box<dyn Host>) {
    type Case = (&'static str, fn(&mut dyn Host));
    let cases: &[Case] = &[
        ("T-STO-1", t_sto_1_empty_state),
        ("T-STO-3", t_sto_3_configurations_come_back),
        ("T-STO-4", t_sto_4_many_entries),
        ("reset", reset),
        ("opened again", a_group_that_was_closed_is_opened_again),
        ("T-STO-6", t_sto_6_truncate_prefix),
        ("T-STO-8 and 9", t_sto_8_and_9_truncate_suffix),
        ("limits", limits),
        ("written is readable", written_is_readable),
        ("synced survives", synced_survives_a_crash),
        ("order of calls", the_order_of_calls_is_the_order_of_the_log),
    ];
    for (name, case) in cases {
        println!("{name}");
        case(&mut *make());
    }
}

fn t_sto_1_empty_state(host: &mut dyn Host) {
    let opened = Opened::at(host);
    assert_eq!(opened.extent(), (1, 0));
    assert!(read(&*opened.log.reader, 100, 1).is_empty());
    assert!(read(&*opened.log.reader, 0, 1).is_empty());
}

fn t_sto_3_configurations_come_back(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    let written = [configuration(99, 1), configuration(100, 1), entry(101, 2)];
    opened.log.storage.append(&written).unwrap();
    opened.sync();
    opened.engine.close().unwrap();
    drop(opened);
    let opened = Opened::at(host);
    let found = &opened.log.recovered.configurations;
    assert_eq!(
        found.iter().map(|found| found.id).collect::<Vec<_>>(),
        [written[0].id, written[1].id]
    );
    assert_eq!(read(&*opened.log.reader, 99, 9), written);
    assert_eq!(opened.log.recovered.terms, [(99.into(), 1.into()), (101.into(), 2.into())]);
}

fn t_sto_4_many_entries(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    for chunk in entries(1..=1000, 1).chunks(10) {
        opened.log.storage.append(chunk).unwrap();
    }
    opened.sync();
    opened.engine.close().unwrap();
    drop(opened);
    let opened = Opened::at(host);
    assert_eq!(opened.extent(), (1, 1000));
    assert_eq!(read(&*opened.log.reader, 1, 5000), entries(1..=1000, 1));
}

fn reset(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    opened.log.storage.append(&entries(1..=9, 1)).unwrap();
    opened.log.storage.reset(LogIndex(5)).unwrap();
    for from in 1..10 {
        assert!(read(&*opened.log.reader, from, 9).is_empty());
    }
    opened.log.storage.append(&entries(5..=6, 2)).unwrap();
    opened.sync();
    opened.engine.close().unwrap();
    drop(opened);
    let opened = Opened::at(host);
    assert_eq!(opened.extent(), (5, 6));
    assert_eq!(read(&*opened.log.reader, 5, 9), entries(5..=6, 2));
}

/// The engine lives on, as it does when several services share it, one after the other.
fn a_group_that_was_closed_is_opened_again(host: &mut dyn Host) {
    let Opened { mut engine, mut log } = Opened::at(host);
    drop(log);
    log = engine.open(&group()).unwrap();
    assert_eq!((log.recovered.first.0, log.recovered.last.0), (1, 0));
    log.storage.append(&[configuration(1, 1), entry(2, 1)]).unwrap();
    log.storage.append(&entries(3..=500, 2)).unwrap();
    sync(&mut *engine).unwrap();
    log.storage.truncate_prefix(LogIndex(2)).unwrap();
    log.storage.truncate_suffix(LogIndex(400)).unwrap();
    log.storage.append(&[configuration(401, 3)]).unwrap();
    // Not synced: what is found is durable all the same.
    drop(log);
    log = engine.open(&group()).unwrap();
    let found = log.recovered;
    assert_eq!((found.first.0, found.last.0), (2, 401));
    let terms = [(2, 1), (3, 2), (401, 3)];
    assert_eq!(found.terms, terms.map(|(index, term)| (index.into(), term.into())));
    assert_eq!(found.configurations.iter().map(|conf| conf.id.index.0).collect::<Vec<_>>(), [401]);
    log.storage.append(&[entry(402, 3)]).unwrap();
    sync(&mut *engine).unwrap();
    assert_eq!(read(&*log.reader, 399, 9).len(), 4);
    host.crash();
    drop((engine, log.storage, log.reader));
    let opened = Opened::at(host);
    assert_eq!(opened.extent(), (2, 402));
    assert_eq!(opened.log.recovered.terms, found.terms);
}

fn t_sto_6_truncate_prefix(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    opened.log.storage.append(&entries(1..=10, 1)).unwrap();
    opened.log.storage.truncate_prefix(LogIndex(6)).unwrap();
    opened.log.storage.truncate_prefix(LogIndex(3)).unwrap();
    assert!(read(&*opened.log.reader, 5, 9).is_empty());
    assert_eq!(read(&*opened.log.reader, 6, 9), entries(6..=10, 1));
    opened.sync();
    opened.engine.close().unwrap();
    drop(opened);
    let mut opened = Opened::at(host);
    assert_eq!(opened.extent(), (6, 10));
    assert_eq!(opened.log.recovered.terms, [(6.into(), 1.into())]);
    // Beyond the end: nothing is left, and any entry may come next.
    opened.log.storage.truncate_prefix(LogIndex(20)).unwrap();
    assert!(read(&*opened.log.reader, 6, 99).is_empty());
    opened.log.storage.append(&[entry(20, 4)]).unwrap();
    assert_eq!(read(&*opened.log.reader, 20, 9), [entry(20, 4)]);
}

fn t_sto_8_and_9_truncate_suffix(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    opened.log.storage.append(&entries(1..=10, 1)).unwrap();
    opened.log.storage.truncate_suffix(LogIndex(5)).unwrap();
    opened.log.storage.truncate_suffix(LogIndex(7)).unwrap();
    assert_eq!(read(&*opened.log.reader, 1, 99), entries(1..=5, 1));
    opened.log.storage.append(&entries(6..=7, 2)).unwrap();
    opened.sync();
    opened.engine.close().unwrap();
    drop(opened);
    let mut opened = Opened::at(host);
    assert_eq!(opened.extent(), (1, 7));
    assert_eq!(opened.log.recovered.terms, [(1.into(), 1.into()), (6.into(), 2.into())]);
    // One that leaves nothing.
    opened.log.storage.truncate_suffix(LogIndex(0)).unwrap();
    assert!(read(&*opened.log.reader, 1, 99).is_empty());
    opened.log.storage.append(&entries(1..=2, 3)).unwrap();
    assert_eq!(read(&*opened.log.reader, 1, 99), entries(1..=2, 3));
}

fn limits(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    let written: Vec<_> = (1..=60).map(|index| sized(index, 1, 100)).collect();
    opened.log.storage.append(&written[..30]).unwrap();
    opened.sync();
    opened.log.storage.append(&written[30..]).unwrap();
    for from in 1..=60 {
        for (entries, bytes, expected) in [
            (0, 0, 1),
            (1, 0, 1),
            (7, 0, 1),
            (7, 1, 1),
            (7, 100, 1),
            (7, 101, 2),
            (7, 1000, 7),
            (90, 1000, 10),
        ] {
            let mut out = vec![entry(7, 7)];
            opened.log.reader.read(LogIndex(from), ReadLimit { entries, bytes }, &mut out).unwrap();
            let expected = expected.min(61 - from as usize);
            assert_eq!(out[1..], written[from as usize - 1..][..expected], "{entries} {bytes}");
        }
    }
}

fn written_is_readable(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    let mut written = Vec::new();
    for index in 1..=50 {
        written.push(sized(index, 1, 700));
        opened.log.storage.append(&written[written.len() - 1..]).unwrap();
        if index % 7 == 0 {
            opened.sync();
        }
        assert_eq!(read(&*opened.log.reader, 1, 99), written);
        assert_eq!(read(&*opened.log.reader, index, 99), written[written.len() - 1..]);
        assert!(read(&*opened.log.reader, index + 1, 99).is_empty());
    }
}

fn synced_survives_a_crash(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    opened.log.storage.append(&entries(1..=5, 1)).unwrap();
    opened.sync();
    opened.log.storage.append(&entries(6..=9, 1)).unwrap();
    if !host.crash() {
        return;
    }
    drop(opened);
    let opened = Opened::at(host);
    let (first, last) = opened.extent();
    assert!(first == 1 && (5..=9).contains(&last), "{first} to {last}");
    assert_eq!(read(&*opened.log.reader, 1, 99), entries(1..=last, 1));
}

fn the_order_of_calls_is_the_order_of_the_log(host: &mut dyn Host) {
    let mut opened = Opened::at(host);
    let log = &mut opened.log.storage;
    log.append(&entries(1..=5, 1)).unwrap();
    log.truncate_suffix(LogIndex(3)).unwrap();
    log.append(&entries(4..=6, 2)).unwrap();
    log.truncate_prefix(LogIndex(4)).unwrap();
    log.truncate_suffix(LogIndex(4)).unwrap();
    log.append(&entries(5..=5, 3)).unwrap();
    opened.sync();
    host.crash();
    drop(opened);
    let opened = Opened::at(host);
    assert_eq!(read(&*opened.log.reader, 4, 99), [entry(4, 2), entry(5, 3)]);
    assert_eq!(opened.extent(), (4, 5));
}

struct Simulated(SimDisk);

impl Host for Simulated {
    fn open(&self) -> Box<dyn LogEngine> {
        Box::new(engine(shared(self.0.clone()), PathBuf::from("/data/log")))
    }

    fn crash(&mut self) -> bool {
        self.0 = self.0.crash(Crash::Lose);
        true
    }
}

struct Real(tempfile::TempDir);

impl Host for Real {
    fn open(&self) -> Box<dyn LogEngine> {
        Box::new(engine(Arc::new(crate::RealDisk::new()), self.0.path().to_path_buf()))
    }

    fn crash(&mut self) -> bool {
        false
    }
}

fn engine(disk: Arc<dyn crate::Disk>, dir: PathBuf) -> WalEngine {
    let options = WalOptions { segment_bytes: SMALL, ..WalOptions::default() };
    WalEngine::open(disk, dir, options, silent()).expect("opens")
}

#[test]
fn contract_on_a_disk_that_forgets() {
    contract(&|| Box::new(Simulated(new_disk())));
}

#[test]
fn contract_on_the_real_disk() {
    contract(&|| Box::new(Real(tempfile::tempdir().expect("a directory"))));
}
