//! Who keeps what running: starts that nobody waits for, stops that take their time, clients that outlive a runtime.

mod kit;

use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jraft_core::memory::Network;
use jraft_core::{
    ApplyError, Entries, Node, RaftGroupBuilder, RaftGroupService, Role, Runtime, StartError,
    StateMachine,
};
use kit::nobody::Nobody;
use kit::{Sum, Unused, quick, within};

const LIMIT: Duration = Duration::from_secs(20);

fn builder(runtime: &Runtime, network: &Network) -> RaftGroupBuilder {
    let builder = RaftGroupService::builder("g", "a:1").initial_conf("a:1");
    builder.runtime(runtime).in_memory(network).options(quick())
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn reaches(node: &Node, role: Role) {
    node.watch().until(|status| status.role == role).await;
}

/// Takes its time to stop.
struct Slow {
    stopping: mpsc::Sender<()>,
    may_stop: mpsc::Receiver<()>,
}

impl StateMachine for Slow {
    fn on_apply(&mut self, entries: &mut Entries<'_>) -> Result<(), ApplyError> {
        entries.for_each(drop);
        Ok(())
    }

    fn on_shutdown(&mut self) {
        self.stopping.send(()).expect("the test waits");
        self.may_stop.recv().expect("the test lets it");
    }
}

#[test]
fn a_node_that_followed_one_of_the_same_name_stops_with_its_runtime() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let ((stopping, stops), (let_it, may_stop)) = (mpsc::channel(), mpsc::channel());
        let slow = Slow { stopping, may_stop };
        let first = builder(&runtime, &network).start(slow).await.unwrap();
        let mut first_stops = pin!(first.shutdown());
        assert!(poll_once(first_stops.as_mut()).is_pending());
        stops.recv().unwrap();
        let second = builder(&runtime, &network).start(Sum::default()).await.unwrap();
        reaches(second.node(), Role::Leader).await;
        let_it.send(()).unwrap();
        first_stops.await;
        runtime.shutdown().await;
        assert_eq!(second.node().status().role, Role::Shutdown);
    });
}

#[test]
fn a_start_whose_end_nobody_hears_leaves_no_node_behind() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let ((made, node), (let_it, may_start)) = (mpsc::channel(), mpsc::channel());
        let late = builder(&runtime, &network).user_processor(move |node: &Node| {
            made.send(node.clone()).unwrap();
            may_start.recv().unwrap();
            Unused
        });
        let mut start = Box::pin(late.start(Sum::default()));
        assert!(poll_once(start.as_mut()).is_pending());
        let node = node.recv().unwrap();
        let_it.send(()).unwrap();
        // It leads on the loop on which it was started: that start is over, and its end on the way.
        reaches(&node, Role::Leader).await;
        drop(start);
        reaches(&node, Role::Shutdown).await;
        let again = builder(&runtime, &network).start(Sum::default()).await;
        again.unwrap().shutdown().await;
    });
}

#[test]
fn one_address_of_a_runtime_has_one_transport() {
    within(LIMIT, async {
        let (runtime, network) = (Runtime::new().unwrap(), Network::new());
        let first = builder(&runtime, &network).start(Sum::default()).await.unwrap();
        let other = |network: &Network| {
            let builder = RaftGroupService::builder("h", "a:1").initial_conf("a:1");
            builder.runtime(&runtime).in_memory(network).options(quick())
        };
        let refused = [
            other(&Network::new()).start(Sum::default()).await,
            other(&network).rpc(Arc::new(Nobody::Silent)).start(Sum::default()).await,
        ];
        for start in refused {
            let error = start.unwrap_err();
            assert!(matches!(error, StartError::Listen(_)), "{error:?}");
            assert!(error.to_string().contains("a:1: a node of this runtime"), "{error}");
        }
        let same = other(&network).start(Sum::default()).await.unwrap();
        same.shutdown().await;
        first.shutdown().await;
        // The address is free again.
        other(&Network::new()).start(Sum::default()).await.unwrap().shutdown().await;
    });
}

#[cfg(feature = "bolt")]
#[test]
fn a_client_keeps_its_runtime_until_its_calls_have_ended() {
    use jraft_core::{RpcError, UserMessage};
    within(LIMIT, async {
        // Takes connections, and answers nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = silent.local_addr().unwrap().to_string().parse().unwrap();
        let client = Runtime::new().unwrap().user_client();
        let request = UserMessage::new("test", "");
        let error = client.invoke(&to, request, Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, RpcError::TimedOut { .. }), "{error}");
    });
}
