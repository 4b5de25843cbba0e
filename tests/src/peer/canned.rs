//! A server that answers requests over HTTP/1.1 with whatever bytes a test wants, right or wrong.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::Peer;
use super::hostile::read_head;

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
    let answer = Arc::new(answer);
    Peer::tcp(move |mut wire| {
        let answer = Arc::clone(&answer);
        async move {
            let Some(head) = read_head(&mut wire).await? else {
                return Ok(());
            };
            wire.write_all(&answer(&head)).await?;
            match then {
                Then::Closes => Ok(()),
                Then::Resets => wire.reset(),
                Then::Hangs => {
                    wire.closed().await;
                    Ok(())
                }
            }
        }
    })
}
