//! Ports of this machine that nobody uses at the moment.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Finds `count` free ports of 127.0.0.1, looking from a place that `chance` decides.
///
/// They lie below the ports that Linux gives to outgoing connections. On one of those, a dead node could not be
/// restarted once somebody's connection has been given its port; and a client that keeps connecting to a dead node
/// would sooner or later be given that very port and be connected to itself.
pub fn free_ports(count: usize, chance: u64) -> io::Result<Vec<u16>> {
    let mut found = Vec::with_capacity(count);
    // Held until all are found, so that they differ.
    let mut held = Vec::with_capacity(count);
    let start = chance % RANGE;
    for step in 0..RANGE {
        if found.len() == count {
            return Ok(found);
        }
        let port = LOWEST + u16::try_from((start + step) % RANGE).expect("the range fits");
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            found.push(port);
        }
    }
    Err(io::Error::other("no free ports between 20000 and 32000"))
}

const LOWEST: u16 = 20_000;
const RANGE: u64 = 12_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ports_that_are_free_and_differ() {
        let taken = free_ports(1, 7).unwrap()[0];
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        let ports = free_ports(3, u64::from(taken - LOWEST)).unwrap();
        assert_eq!(ports.len(), 3);
        assert!(!ports.contains(&taken) && ports[0] != ports[1] && ports[1] != ports[2]);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
    }
}
