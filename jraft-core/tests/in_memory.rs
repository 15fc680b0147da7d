//! Three nodes in one process, without a file or a socket.

use jraft_core::memory::Network;
use jraft_core::{ApplyError, Entries, RaftGroupService, Runtime, StateMachine, block_on};

struct Print;
impl slog::Drain for Print {
    type Ok = ();
    type Err = slog::Never;
    fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
        eprintln!("{} {}", record.level(), record.msg());
        Ok(())
    }
}

#[derive(Default)]
struct Sum(i64);
impl StateMachine for Sum {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        for entry in entries {
            self.0 += i64::from_be_bytes(entry.data()[..].try_into()?);
            entry.reply(self.0);
        }
        Ok(())
    }
}

#[test]
fn three_nodes_elect_and_replicate() {
    let logger = slog::Logger::root(Print, slog::o!());
    let runtime = Runtime::builder().logger(logger).build().unwrap();
    let network = Network::new();
    block_on(async {
        let mut services = Vec::new();
        for me in ["a:1", "b:1", "c:1"] {
            let builder = RaftGroupService::builder("demo", me).initial_conf("a:1,b:1,c:1");
            let builder = builder.runtime(&runtime).in_memory(&network);
            services.push(builder.start(Sum::default()).await.unwrap());
        }
        let seen = services[0].node().watch().until(|status| status.leader.is_some()).await;
        eprintln!("{seen:?}");
        runtime.shutdown().await;
    });
}
