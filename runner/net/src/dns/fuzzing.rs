//! Fuzz target for DNS responses.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::response::ResponseHeader;
use super::{Duration, Reply};

/// Parses a datagram, or a message from a TCP stream, as for a plugin.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Reply> {
    let header = ResponseHeader::read(bytes)?;
    block_on(async {
        let response = header.response().await.ok()?;
        Reply::new(&response, Duration::ZERO).await.ok()
    })
}

/// The future only yields; it never waits for anything.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}
