//! One log engine, kept by the caller, for one start of a node after another.
#![cfg(feature = "wal")]
#![allow(clippy::unwrap_used, reason = "a test ends there, as it should")]

mod kit;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jraft_core::memory::{MemoryLogEngine, MemoryMetaStorage, Network};
use jraft_core::storage::{Durable, LogEngine, OpenedLog, StorageError};
use jraft_core::{
    GroupId, RaftGroupBuilder, RaftGroupService, Role, Runtime, SharedLogEngine, StartError,
};
use jraft_storage::{FileMetaStorage, RealDisk, WalEngine, WalOptions};
use kit::{Sum, number, quick, within};

const LIMIT: Duration = Duration::from_secs(20);

struct Host {
    dir: tempfile::TempDir,
    engine: SharedLogEngine,
    runtime: Runtime,
    network: Network,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let disk = Arc::new(RealDisk::new());
        let wal = WalEngine::open(disk, dir.path().join("log"), WalOptions::default(), log);
        let engine = SharedLogEngine::new(wal.unwrap());
        Self { dir, engine, runtime: Runtime::new().unwrap(), network: Network::new() }
    }

    fn builder(&self, group: &str) -> RaftGroupBuilder {
        let builder = RaftGroupService::builder(group, "a:1").initial_conf("a:1");
        let builder = builder.runtime(&self.runtime).in_memory(&self.network).options(quick());
        builder.log_engine(&self.engine).meta_storage(meta(self.dir.path()))
    }
}

fn meta(dir: &Path) -> FileMetaStorage {
    FileMetaStorage::new(Arc::new(RealDisk::new()), dir.join("meta"))
}

async fn add(service: &RaftGroupService, by: i64) -> i64 {
    service.node().watch().until(|status| status.role == Role::Leader).await;
    service.node().propose::<i64>(number(by)).await.unwrap()
}

#[test]
fn a_group_that_was_shut_down_starts_again_over_the_same_engine() {
    within(LIMIT, async {
        let host = Host::new();
        for round in 1..=3 {
            let service = host.builder("g").start(Sum::default()).await.unwrap();
            assert_eq!(add(&service, 5).await, 5 * round, "what was there was replayed");
            let twice = host.builder("g").start(Sum::default()).await.unwrap_err();
            assert!(twice.to_string().contains("open already"), "{twice}");
            service.shutdown().await;
        }
    });
}

#[test]
fn a_start_that_failed_leaves_the_log_free() {
    within(LIMIT, async {
        let host = Host::new();
        let service = host.builder("g").start(Sum::default()).await.unwrap();
        assert_eq!(add(&service, 7).await, 7);
        service.shutdown().await;
        // A log without metadata, and a port that somebody has.
        let without = host.builder("g").meta_storage(MemoryMetaStorage::new());
        let error = without.start(Sum::default()).await.unwrap_err();
        assert!(error.to_string().contains("are missing beside a log"), "{error}");
        let other = Runtime::new().unwrap();
        let in_the_way = RaftGroupService::builder("h", "a:1").initial_conf("a:1").runtime(&other);
        let in_the_way = in_the_way.in_memory(&host.network).start(Sum::default()).await.unwrap();
        let error = host.builder("g").start(Sum::default()).await.unwrap_err();
        assert!(matches!(error, StartError::Listen(_)), "{error:?}");
        in_the_way.shutdown().await;
        let service = host.builder("g").start(Sum::default()).await.unwrap();
        assert_eq!(add(&service, 1).await, 8);
        service.shutdown().await;
    });
}

/// In memory; tells of its end.
struct Told(MemoryLogEngine, mpsc::Sender<()>);

impl LogEngine for Told {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        self.0.open(group)
    }

    fn sync(&mut self, done: Durable) {
        self.0.sync(done);
    }

    fn may_block(&self) -> bool {
        self.0.may_block()
    }

    fn close(&mut self) -> Result<(), StorageError> {
        self.1.send(()).unwrap();
        self.0.close()
    }
}

#[test]
fn an_engine_without_a_thread_outlives_the_runtime_of_its_first_group() {
    within(LIMIT, async {
        let (closed, closes) = mpsc::channel();
        let engine = SharedLogEngine::new(Told(MemoryLogEngine::new(), closed));
        let (network, meta) = (Network::new(), MemoryMetaStorage::new());
        // Each service has a runtime of its own.
        let start = |group: &str, me: &str, meta| {
            let builder = RaftGroupService::builder(group, me).initial_conf(me);
            let builder = builder.in_memory(&network).options(quick());
            builder.log_engine(&engine).meta_storage(meta).start(Sum::default())
        };
        let first = start("g", "a:1", meta.clone()).await.unwrap();
        let other = start("h", "b:1", MemoryMetaStorage::new()).await.unwrap();
        assert_eq!((add(&first, 5).await, add(&other, 1).await), (5, 1));
        first.shutdown().await;
        for round in 2..=4 {
            let again = start("g", "a:1", meta.clone()).await.unwrap();
            assert_eq!(add(&again, 5).await, 5 * round, "what was there was replayed");
            again.shutdown().await;
            assert_eq!(add(&other, 1).await, round);
        }
        other.shutdown().await;
        assert!(closes.try_recv().is_err(), "somebody may still start");
        drop(engine);
        closes.recv_timeout(LIMIT).unwrap();
    });
}
