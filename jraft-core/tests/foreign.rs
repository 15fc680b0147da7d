//! Somebody else's code panics: a transport, a log, the maker of a processor. The node ends, and nobody waits for ever.

mod kit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jraft_core::memory::{MemoryLogEngine, MemoryMetaStorage, Network};
use jraft_core::storage::{
    Durable, LogEngine, LogReader, LogStorage, OpenedLog, ReadLimit, StorageError,
};
use jraft_core::{
    GroupId, LogEntry, LogIndex, Node, RaftError, RaftGroupService, Role, Runtime, SharedLogEngine,
};
use kit::nobody::Nobody;
use kit::{Sum, Unused, number, quick, within};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_node_whose_transport_panics_ends() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1,b:1");
        let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
        let service = builder.rpc(Arc::new(Nobody::Loud)).start(Sum::default()).await.unwrap();
        let stopped = service.stopped().await;
        assert!(stopped.is(RaftError::EINTERNAL), "{stopped}");
        assert_eq!(service.node().status().role, Role::Error);
        service.shutdown().await;
    });
}

/// A log in memory, whose writer or reader panics.
struct Rotten {
    inner: MemoryLogEngine,
    writes: bool,
}

struct RottenLog {
    inner: Box<dyn LogStorage>,
    writes: bool,
}

struct RottenReader(Arc<dyn LogReader>);

impl LogEngine for Rotten {
    fn open(&mut self, group: &GroupId) -> Result<OpenedLog, StorageError> {
        let OpenedLog { storage, reader, recovered, .. } = self.inner.open(group)?;
        let storage = RottenLog { inner: storage, writes: self.writes };
        Ok(OpenedLog::new(Box::new(storage), Arc::new(RottenReader(reader)), recovered))
    }

    fn sync(&mut self, done: Durable) {
        self.inner.sync(done);
    }
}

impl LogStorage for RottenLog {
    fn append(&mut self, entries: &[LogEntry]) -> Result<(), StorageError> {
        assert!(self.writes, "a log that was told to panic");
        self.inner.append(entries)
    }

    fn truncate_prefix(&mut self, first_kept: LogIndex) -> Result<(), StorageError> {
        self.inner.truncate_prefix(first_kept)
    }

    fn truncate_suffix(&mut self, last_kept: LogIndex) -> Result<(), StorageError> {
        self.inner.truncate_suffix(last_kept)
    }

    fn reset(&mut self, next: LogIndex) -> Result<(), StorageError> {
        self.inner.reset(next)
    }
}

impl LogReader for RottenReader {
    fn read(
        &self,
        from: LogIndex,
        limit: ReadLimit,
        out: &mut Vec<LogEntry>,
    ) -> Result<(), StorageError> {
        let _ = (from, limit, out, &self.0);
        panic!("a reader that was told to panic");
    }
}

#[test]
fn a_node_whose_log_panics_ends_and_shuts_down() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let engine = SharedLogEngine::new(Rotten { inner: MemoryLogEngine::new(), writes: false });
        let start = |me: &str| {
            let builder = RaftGroupService::builder("g", me).initial_conf(me);
            let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
            builder.log_engine(&engine).start(Sum::default())
        };
        let service = start("a:1").await.unwrap();
        let stopped = service.stopped().await;
        assert!(stopped.is(RaftError::EIO), "{stopped}");
        service.shutdown().await;
        // Its thread is gone: whoever comes later is told, and does not wait.
        let error = start("a:1").await.unwrap_err();
        assert!(error.to_string().contains("the log is closed"), "{error}");
    });
}

#[test]
fn a_node_whose_log_panics_when_it_is_read_ends_and_shuts_down() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let engine = SharedLogEngine::new(Rotten { inner: MemoryLogEngine::new(), writes: true });
        let meta = MemoryMetaStorage::new();
        let start = || {
            let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
            let builder = builder.runtime(&runtime).in_memory(&network).options(quick());
            builder.log_engine(&engine).meta_storage(meta.clone()).start(Sum::default())
        };
        let service = start().await.unwrap();
        service.node().watch().until(|status| status.role == Role::Leader).await;
        assert_eq!(service.node().propose::<i64>(number(1)).await.unwrap(), 1);
        service.shutdown().await;
        // What was applied in the life before is read again.
        let service = start().await.unwrap();
        let stopped = service.stopped().await;
        assert!(stopped.is(RaftError::ESTATEMACHINE), "{stopped}");
        service.shutdown().await;
    });
}

#[test]
fn a_start_that_panics_leaves_nothing_behind() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let builder = || {
            let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
            builder.runtime(&runtime).in_memory(&network).options(quick())
        };
        let told = |_: &Node| -> Unused { panic!("a processor that was told to panic") };
        builder().user_processor(told).start(Sum::default()).await.unwrap_err();
        assert!(runtime.node_manager().all().is_empty());
        let service = builder().start(Sum::default()).await.expect("the place is free");
        service.shutdown().await;
        let all_well = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
        assert!(all_well.is_ok());
    });
}
