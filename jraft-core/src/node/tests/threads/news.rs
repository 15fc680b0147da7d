//! What lanes tell a node, and what is decided while it ends.

use std::sync::Arc;

use jraft_spi::env::MonoTime;
use jraft_spi::message::RaftResponse;
use jraft_spi::status::NodeStatus;
use jraft_spi::storage::{LogEngine, RaftMeta, Recovered, StorageError};
use jraft_spi::{NodeOptions, Status};
use shuttle::future::block_on;
use tokio::sync::oneshot;

use super::{id, nobody};
use crate::fsm::FsmQueue;
use crate::log::lane::{DiskListener, LogLane};
use crate::log::{LogTicket, MetaTicket};
use crate::memory::MemoryLogEngine;
use crate::node::effect::{Effect, ReplyTo};
use crate::node::shared::{DiskNews, Disks, LogRead, Parts, Shared};
use crate::node::state::{NodeState, Opened};
use crate::node::view::ViewCell;
use crate::sync::atomic::Ordering;
use crate::sync::tests::kit::{Call, at_once, env, explore};
use crate::sync::thread;

/// A node without a turn.
fn shared() -> Arc<Shared> {
    let (env, _) = env();
    let options = Arc::new(NodeOptions::default());
    let opened = Opened {
        meta: RaftMeta::default(),
        recovered: Recovered::empty(),
        initial_conf: Default::default(),
    };
    let state = NodeState::new(id(), Arc::clone(&options), opened, MonoTime::ZERO);
    let mut engine = MemoryLogEngine::new();
    let reader = engine.open(&id().group).unwrap().reader;
    let disks = Disks { lane: LogLane::start(&env, "test", Box::new(engine)), slot: 0, reader };
    let view = Arc::new(ViewCell::new(NodeStatus::new(id().group, id().peer)));
    let (client, fsm) = (nobody(), Arc::new(FsmQueue::new(1)));
    Arc::new(Shared::new(state, Parts { options, env, client, disks, fsm, view }))
}

fn tell(shared: &Arc<Shared>, call: impl FnOnce(&Shared) + Send + 'static) -> Call {
    let shared = Arc::clone(shared);
    Box::new(move || call(&shared))
}

#[test]
fn the_newest_ticket_a_failure_and_a_read_are_never_lost() {
    explore(1_000, || {
        let shared = shared();
        let turn = Arc::clone(&shared);
        let turn = thread::spawn(move || {
            let (mut log, mut meta, mut failed, mut read) = (LogTicket(0), MetaTicket(0), 0, 0);
            while (log, meta, failed, read) != (LogTicket(3), MetaTicket(2), 1, 1) {
                block_on(turn.bell.heard());
                let news: DiskNews = turn.take_news();
                log = log.max(news.log.unwrap_or_default());
                meta = meta.max(news.meta.unwrap_or_default());
                failed += usize::from(news.failed.is_some());
                read += news.read.len();
            }
        });
        let error = || StorageError::Other("broken".into());
        at_once([
            tell(&shared, |shared| {
                shared.log_durable(LogTicket(1), Ok(()));
                shared.log_durable(LogTicket(2), Ok(()));
            }),
            // Completions may come out of order.
            tell(&shared, move |shared| {
                shared.log_durable(LogTicket(3), Ok(()));
                shared.log_durable(LogTicket(0), Err(error()));
            }),
            tell(&shared, |shared| {
                shared.meta_durable(MetaTicket(2), Ok(()));
                shared.meta_durable(MetaTicket(1), Ok(()));
            }),
            tell(&shared, move |shared| {
                let entries = Err(error());
                shared.tell_read(LogRead { peer: id().peer, version: 1, entries });
            }),
        ]);
        turn.join().unwrap();
    });
}

/// A turn that only answers, to its end, and the end of a node behind it.
fn answer_and_close(shared: &Shared) {
    let mut effects = Vec::new();
    loop {
        let ended = shared.ended.load(Ordering::Acquire);
        shared.take_outbox(&mut effects);
        for effect in effects.drain(..) {
            if let Effect::Reply { to, answer } = effect {
                drop(to.0.send(answer));
            }
        }
        if ended {
            return shared.close();
        }
        block_on(shared.bell.heard());
    }
}

#[test]
fn whoever_asks_a_node_that_ends_hears_an_answer_or_that_there_is_none() {
    explore(1_000, || {
        let shared = shared();
        let turn = Arc::clone(&shared);
        let turn = thread::spawn(move || answer_and_close(&turn));
        let ask = || {
            tell(&shared, |shared| {
                let (sender, answer) = oneshot::channel::<Result<RaftResponse, Status>>();
                shared.step("ask", |_, _, fx| {
                    fx.push(Effect::Reply { to: ReplyTo(sender), answer: Ok(RaftResponse::Ping) });
                });
                drop(block_on(answer));
            })
        };
        at_once([ask(), ask(), tell(&shared, Shared::end)]);
        turn.join().unwrap();
    });
}
