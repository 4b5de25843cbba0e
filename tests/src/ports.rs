//! Ports for servers that run as separate programs and cannot inherit a bound socket.
#![expect(
    clippy::expect_used,
    reason = "a machine without a free port must fail its test"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ephemeral ports of Linux (`ip_local_port_range`, from 32768 by default), so that no peer of another test
/// takes a port before the server listens on it. Such a peer would even answer in its place.
const RANGE: Range<u16> = 20_000..32_000;

/// Distance between the first ports of test processes with consecutive ids.
const STRIDE: u32 = 97;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A loopback address at which nothing listens. Each call returns another one.
///
/// # Panics
/// Something listens at each of them.
#[must_use]
pub fn unused() -> SocketAddr {
    RANGE
        .map(|_| next())
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port on loopback")
}

fn next() -> SocketAddr {
    let size = u32::from(RANGE.end - RANGE.start);
    let taken = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
    let place = (process::id().wrapping_mul(STRIDE).wrapping_add(taken)) % size;
    let port = u32::from(RANGE.start) + place;
    let port = u16::try_from(port).expect("it is below the end of the range");
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_is_given_twice_nor_by_the_kernel() {
        let given: HashSet<u16> = (0..100).map(|_| unused().port()).collect();
        assert_eq!(given.len(), 100);
        let listeners: Vec<TcpListener> = (0..100)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect();
        for listener in &listeners {
            assert!(!RANGE.contains(&listener.local_addr().unwrap().port()));
        }
    }
}
