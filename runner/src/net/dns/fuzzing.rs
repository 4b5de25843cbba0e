//! For the fuzz targets: what a name server replies.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::response::Opening;
use super::{Duration, Reply};

/// A datagram, or the message of a stream, as a plugin gets it.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Reply> {
    let opening = Opening::read(bytes)?;
    block_on(async {
        let response = opening.response().await.ok()?;
        Reply::new(&response, Duration::ZERO).await.ok()
    })
}

/// What runs here waits for nothing but its next turn.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}
