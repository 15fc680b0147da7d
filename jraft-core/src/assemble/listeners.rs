//! The ports of a runtime: nodes of one address share one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jraft_spi::Endpoint;
use jraft_spi::rpc::{
    Listening, RaftRpcFactory, RaftServerService, RpcError, UserProcessor, UserProcessors,
};
use tokio::sync::Mutex;

use super::error::StartError;
use super::processors::Registry;
use crate::memory::Network;

/// Open ports, by address.
#[derive(Default)]
pub(super) struct Listeners(Mutex<BTreeMap<Endpoint, Port>>);

struct Port {
    transport: Transport,
    users: usize,
    registry: Arc<Registry>,
    listening: Box<dyn Listening>,
}

/// Which transport a node uses: those of one address share a port, which can only be a port of one.
///
/// Holds what it compares by its address in memory, so that nothing else comes to lie there.
pub(super) enum Transport {
    /// The one that is built in.
    BuiltIn,
    Memory(Network),
    Given(Arc<dyn RaftRpcFactory>),
}

impl Transport {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BuiltIn, Self::BuiltIn) => true,
            (Self::Memory(one), Self::Memory(other)) => one.is(other),
            (Self::Given(one), Self::Given(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// A node's share in a port.
pub(super) struct PortShare {
    pub(super) at: Endpoint,
    names: Vec<String>,
}

impl Listeners {
    /// Registers the processors, then opens the port if it is not open: there is no window without them.
    pub(super) async fn join(
        &self,
        (transport, factory): (Transport, &dyn RaftRpcFactory),
        at: &Endpoint,
        raft: Arc<dyn RaftServerService>,
        processors: &[Arc<dyn UserProcessor>],
    ) -> Result<PortShare, StartError> {
        let names = processors.iter().map(|one| one.request_name().to_owned()).collect();
        let duplicate = |name| StartError::Duplicate(format!("the request name {name}"));
        let mut ports = self.0.lock().await;
        if let Some(port) = ports.get_mut(at) {
            if !port.transport.is(&transport) {
                let why = "a node of this runtime listens there, with another transport".to_owned();
                return Err(RpcError::Listen { at: at.clone(), why }.into());
            }
            port.registry.add(processors).map_err(duplicate)?;
            port.users += 1;
        } else {
            let registry = Arc::new(Registry::default());
            registry.add(processors).map_err(duplicate)?;
            let users = Arc::clone(&registry) as Arc<dyn UserProcessors>;
            let listening = factory.listen(at, raft, users).await?;
            ports.insert(at.clone(), Port { transport, users: 1, registry, listening });
        }
        Ok(PortShare { at: at.clone(), names })
    }

    /// Gives a share back; the last one closes the port.
    pub(super) async fn leave(&self, share: PortShare) {
        let mut ports = self.0.lock().await;
        let Some(port) = ports.get_mut(&share.at) else { return };
        port.registry.remove(&share.names);
        port.users -= 1;
        if port.users == 0
            && let Some(port) = ports.remove(&share.at)
        {
            port.listening.close().await;
        }
    }
}
