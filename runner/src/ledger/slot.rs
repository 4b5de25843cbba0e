//! A socket that can be taken away from whoever uses it.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Refusal;

/// Holds a socket until it is closed: by its user, or by the page when the run ends.
///
/// The lock is held for one system call at most, never across an await.
#[derive(Debug)]
pub(super) struct Slot<S> {
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    socket: Option<S>,
    /// Whoever waits on the socket: a revoked one never becomes ready, so revoking must wake them.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The direction in which a user waits.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Read,
    Write,
}

impl<S> Slot<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            state: Mutex::new(State {
                socket: Some(socket),
                reader: None,
                writer: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        // A panic under this lock cannot leave the option half taken.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one poll on the socket; [`Refusal::Ended`] once it is gone.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        side: Side,
        poll: impl FnOnce(&mut S, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let mut state = self.state();
        let Some(socket) = state.socket.as_mut() else {
            return Poll::Ready(Err(io::Error::other(Refusal::Ended)));
        };
        let polled = poll(socket, cx);
        if polled.is_pending() {
            let waker = match side {
                Side::Read => &mut state.reader,
                Side::Write => &mut state.writer,
            };
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        polled
    }

    /// Looks at the socket, while there is one.
    pub(super) fn with<R>(&self, look: impl FnOnce(&S) -> R) -> Option<R> {
        self.state().socket.as_ref().map(look)
    }
}

/// What the page can do to a descriptor without knowing its type.
pub(super) trait Revocable: Send + Sync {
    /// Closes the descriptor before it returns; with `abort`, a TCP peer gets a reset in place of a goodbye.
    fn revoke(&self, abort: bool);
}

impl<S: AsFd + Send> Revocable for Slot<S> {
    fn revoke(&self, abort: bool) {
        let (socket, wakers) = {
            let mut state = self.state();
            (state.socket.take(), [state.reader.take(), state.writer.take()])
        };
        if let Some(socket) = socket {
            match abort {
                true => reset(socket.as_fd()),
                false => say_goodbye(socket.as_fd()),
            }
            drop(socket);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Closing alone does not do: a process that is just being started has a copy of every descriptor until it executes its
/// program, and the kernel says nothing to the peer while there is one.
fn reset(socket: BorrowedFd<'_>) {
    // Only a courtesy to the kernel, which need not keep the connection for a goodbye: a socket that takes no
    // linger option is closed all the same.
    let _not_tcp = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    // This is what sends the reset; one that has no peer sends none.
    let _not_connected = rustix::net::connect_unspec(socket);
}

/// A FIN, for the same reason; what is still being connected is given up.
fn say_goodbye(socket: BorrowedFd<'_>) {
    if socket2::SockRef::from(&socket).shutdown(Shutdown::Write).is_err() {
        let _not_connecting = rustix::net::connect_unspec(socket);
    }
}
