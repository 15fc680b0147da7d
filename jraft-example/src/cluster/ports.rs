//! Ports of this machine that nobody uses at the moment.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::real_time;

/// Finds `count` free ports of 127.0.0.1. No port is found twice in the life of a process, or only after thousands:
/// what was found may be free again for a while, since its node is restarted.
///
/// They lie below the ports that Linux gives to outgoing connections. On one of those, a dead node could not be
/// restarted once somebody's connection has been given its port; and a client that keeps connecting to a dead node
/// would sooner or later be given that very port and be connected to itself.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // Each process begins elsewhere, for the sake of those that run beside it.
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(real_time::random() % RANGE));
    let mut found = Vec::with_capacity(count);
    for _ in 0..RANGE {
        if found.len() == count {
            return Ok(found);
        }
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % RANGE;
        let port = LOWEST + u16::try_from(step).expect("the range fits");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            found.push(port);
        }
    }
    Err(io::Error::other("no free ports between 20000 and 32000"))
}

const LOWEST: u16 = 20_000;
const RANGE: u64 = 12_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn finds_ports_that_are_free_and_differ() {
        let last = free_ports(1).unwrap()[0];
        let held: Vec<TcpListener> = (last + 1..last + 20)
            .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
            .collect();
        let taken = held.iter().map(|port| port.local_addr().unwrap().port());
        let mut ports = free_ports(100).unwrap();
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)), "{ports:?}");
        ports.extend(taken.chain([last]));
        let distinct: BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!(distinct.len(), ports.len(), "{ports:?}");
    }
}
