//! The seam to the network: bytes over any two-way stream, be it TCP or a pipe in a test.

mod pipe;
mod tcp;

use std::io;

use jraft_spi::Endpoint;
use jraft_spi::env::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use pipe::PipeNet;
pub use tcp::TcpNet;

/// A two-way stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects and listens.
pub trait Net: Send + Sync + 'static {
    /// Connects. A name is resolved anew every time. May take for ever: the caller has a timeout.
    fn connect(&self, to: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Stream>>>;

    /// Opens a port. Port 0 stands for any free one.
    fn listen(&self, at: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Accept>>>;
}

/// An open port. Dropping it closes the port.
pub trait Accept: Send {
    /// The number of the port.
    fn port(&self) -> i32;

    /// The next connection. Cancelling loses none.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>>;
}

/// A connection that somebody opened.
pub struct Accepted {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// Who opened it, for log lines.
    pub from: String,
}

/// The port as the operating system wants it.
fn port_number(at: &Endpoint) -> io::Result<u16> {
    let refuse = |_| io::Error::new(io::ErrorKind::InvalidInput, format!("{at}: no valid port"));
    u16::try_from(at.port()).map_err(refuse)
}
