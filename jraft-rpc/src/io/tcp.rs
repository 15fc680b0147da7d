//! TCP: no delay, keepalive, and where a port is opened (`RpcServer`, `AbstractConnectionFactory`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use jraft_spi::Endpoint;
use jraft_spi::env::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::{Accept, Accepted, Net, Stream, port_number};

/// The network of the operating system. Must be used inside a tokio runtime with I/O enabled.
///
/// **Where a port is opened.** The reference opens it on all addresses. We open it on the address that the endpoint
/// names, so that it is not reachable from where nobody meant, and several processes may share a port number on
/// several addresses. If the endpoint's host is a name, or an address that this machine does not have (behind NAT, in
/// a container), all addresses are used, as in the reference.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpNet;

impl Net for TcpNet {
    fn connect(&self, to: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let to = to.clone();
        Box::pin(async move {
            let mut last = None;
            for address in resolve(&to).await? {
                match connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| io::Error::other(format!("{to}: the name has no address"))))
        })
    }

    fn listen(&self, at: &Endpoint) -> BoxFuture<'static, io::Result<Box<dyn Accept>>> {
        let at = at.clone();
        Box::pin(async move {
            let listener = open_port(&at)?;
            let port = listener.local_addr()?.port();
            Ok(Box::new(TcpAccept { listener, port }) as Box<dyn Accept>)
        })
    }
}

async fn resolve(to: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let port = port_number(to)?;
    match literal(to, port) {
        Some(address) => Ok(vec![address]),
        None => Ok(lookup_host((to.host(), port)).await?.collect()),
    }
}

/// The address, if the host is one and not a name.
fn literal(endpoint: &Endpoint, port: u16) -> Option<SocketAddr> {
    format!("{}:{port}", endpoint.host()).parse().ok()
}

async fn connect(address: SocketAddr) -> io::Result<Box<dyn Stream>> {
    let socket = socket_for(&address)?;
    socket.set_keepalive(true)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

fn open_port(at: &Endpoint) -> io::Result<TcpListener> {
    let port = port_number(at)?;
    match literal(at, port) {
        Some(address) => match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                bind(SocketAddr::new(all_addresses(address.ip()), port))
            }
            result => result,
        },
        // IPv6's "all addresses" includes IPv4's, where there is IPv6.
        None => bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }),
    }
}

const fn all_addresses(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(&address)?;
    // A restarted node must get its port back while old connections linger.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn socket_for(address: &SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

struct TcpAccept {
    listener: TcpListener,
    port: u16,
}

impl Accept for TcpAccept {
    fn port(&self) -> i32 {
        self.port.into()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Accepted { stream: Box::new(stream), from: from.to_string() })
        })
    }
}

/// Connections that the operating system keeps until they are accepted.
const BACKLOG: u32 = 1024;
