//! A network inside the process: pipes in memory. For tests and simulators.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jraft_spi::Endpoint;
use jraft_spi::env::BoxFuture;
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::{Accept, Accepted, Net, Stream, port_number};

/// Pipes between the users of clones of one value. Hosts are not looked at beyond comparing them.
#[derive(Clone, Default)]
pub struct PipeNet(Arc<Mutex<BTreeMap<Endpoint, mpsc::Sender<DuplexStream>>>>);

impl PipeNet {
    /// A network where nobody listens.
    pub fn new() -> Self {
        Self::default()
    }

    fn open(&self, to: &Endpoint) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let ports = self.0.lock();
        ports.get(to).ok_or_else(refused)?.try_send(theirs).map_err(|_| refused())?;
        Ok(ours)
    }

    fn take_port(&self, at: &Endpoint) -> io::Result<PipeAccept> {
        let mut ports = self.0.lock();
        let mut at = at.clone();
        if port_number(&at)? == 0 {
            let is_free = |port: &i32| !ports.contains_key(&Endpoint::new(at.host(), *port));
            let free = (FIRST_PORT..=i32::from(u16::MAX)).find(is_free);
            let free = free.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
            at = Endpoint::new(at.host(), free);
        }
        if ports.get(&at).is_some_and(|port| !port.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, accepted) = mpsc::channel(BACKLOG);
        ports.insert(at.clone(), sender);
        Ok(PipeAccept { port: at.port(), accepted })
    }
}

impl Net for PipeNet {
    fn connect(&self, to: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let (net, to) = (self.clone(), to.clone());
        Box::pin(async move { Ok(Box::new(net.open(&to)?) as Box<dyn Stream>) })
    }

    fn listen(&self, at: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Accept>>> {
        let (net, at) = (self.clone(), at.clone());
        Box::pin(async move { Ok(Box::new(net.take_port(&at)?) as Box<dyn Accept>) })
    }
}

struct PipeAccept {
    port: i32,
    accepted: mpsc::Receiver<DuplexStream>,
}

impl Accept for PipeAccept {
    fn port(&self) -> i32 {
        self.port
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            match self.accepted.recv().await {
                Some(stream) => {
                    Ok(Accepted { stream: Box::new(stream), from: "a pipe".to_owned() })
                }
                None => Err(io::ErrorKind::AddrInUse.into()),
            }
        })
    }
}

/// What a pipe holds in each direction.
const PIPE_BYTES: usize = 64 << 10;
/// Connections not yet accepted.
const BACKLOG: usize = 128;
/// Where free ports are looked for.
const FIRST_PORT: i32 = 40_000;
