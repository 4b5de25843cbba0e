//! A server that answers HTTP/1.1 requests with arbitrary bytes, valid or not.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::connection::linger;
use super::hostile::read_head;
use super::{Connection, Peer};

/// What happens to the connection after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    Closes,
    /// It is reset.
    Resets,
    /// Nothing more comes.
    Hangs,
}

/// Starts a server that answers one request per connection; `answer` maps the request head to the response bytes.
pub fn canned(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static, then: Then) -> Peer {
    canned_on(Ipv4Addr::LOCALHOST, answer, then)
}

/// Same as [`canned`], at this address; `0.0.0.0` covers all loopback addresses.
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
    let session = move |mut connection: Connection| {
        let answer = Arc::clone(&answer);
        async move {
            let Some(head) = read_head(&mut connection).await? else {
                return Ok(());
            };
            connection.write_all(&answer(&head)).await?;
            match then {
                Then::Closes => {
                    linger(connection).await;
                    Ok(())
                }
                Then::Resets => connection.reset(),
                Then::Hangs => {
                    connection.closed().await;
                    Ok(())
                }
            }
        }
    };
    Peer::tcp_on((address, 0).into(), session).expect("a free port on loopback")
}
