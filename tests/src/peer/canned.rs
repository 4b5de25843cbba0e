//! A server that answers requests over HTTP/1.1 with whatever bytes a test wants, right or wrong.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::hostile::read_head;
use super::wire::linger;
use super::{Peer, Wire};

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    Closes,
    /// It is reset.
    Resets,
    /// Nothing more comes.
    Hangs,
}

/// Starts a server that answers one request a connection: `answer` makes bytes of the request's head.
pub fn canned(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static, then: Then) -> Peer {
    canned_on(Ipv4Addr::LOCALHOST, answer, then)
}

/// The same at this address; `0.0.0.0` is all of loopback.
#[expect(
    clippy::expect_used,
    reason = "a test that cannot listen on loopback must fail"
)]
pub fn canned_on(
    address: Ipv4Addr,
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    then: Then,
) -> Peer {
    let answer = Arc::new(answer);
    let session = move |mut wire: Wire| {
        let answer = Arc::clone(&answer);
        async move {
            let Some(head) = read_head(&mut wire).await? else {
                return Ok(());
            };
            wire.write_all(&answer(&head)).await?;
            match then {
                Then::Closes => {
                    linger(wire).await;
                    Ok(())
                }
                Then::Resets => wire.reset(),
                Then::Hangs => {
                    wire.closed().await;
                    Ok(())
                }
            }
        }
    };
    Peer::tcp_on((address, 0).into(), session).expect("a free port on loopback")
}
