//! A socket that the ledger can revoke from its user.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Refusal;

/// Holds a socket until it is closed, either by its user or by the page when the run ends.
///
/// The lock is held for at most one system call, never across an await.
#[derive(Debug)]
pub(super) struct Slot<S> {
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    socket: Option<S>,
    /// Tasks that wait on the socket. A revoked socket never becomes ready, so revoking must wake them.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The I/O operation that a task waits for.
#[derive(Clone, Copy)]
pub(super) enum Op {
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
        // A panic under this lock cannot leave the option partially taken.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one poll on the socket; returns [`Refusal::Ended`] once it is revoked.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        op: Op,
        poll: impl FnOnce(&mut S, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let mut state = self.state();
        let Some(socket) = state.socket.as_mut() else {
            return Poll::Ready(Err(io::Error::other(Refusal::Ended)));
        };
        let polled = poll(socket, cx);
        if polled.is_pending() {
            let waker = match op {
                Op::Read => &mut state.reader,
                Op::Write => &mut state.writer,
            };
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        polled
    }

    /// Runs `read` on the socket, if it is still open.
    pub(super) fn with<R>(&self, read: impl FnOnce(&S) -> R) -> Option<R> {
        self.state().socket.as_ref().map(read)
    }
}

/// Type-erased handle through which a page revokes a descriptor.
pub(super) trait Revocable: Send + Sync {
    /// Closes the descriptor before returning. With `abort`, a TCP peer receives a reset instead of a FIN.
    fn revoke(&self, abort: bool);
}

impl<S: AsFd + Send> Revocable for Slot<S> {
    fn revoke(&self, abort: bool) {
        let (socket, wakers) = {
            let mut state = self.state();
            (state.socket.take(), [state.reader.take(), state.writer.take()])
        };
        if let Some(socket) = socket {
            if abort {
                send_reset(socket.as_fd())
            } else {
                send_fin(socket.as_fd())
            }
            drop(socket);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Sends a reset. Closing alone is not enough: a child process that is being spawned holds a copy of every descriptor
/// until it calls `exec`, and the kernel does not notify the peer while a copy exists.
fn send_reset(socket: BorrowedFd<'_>) {
    // An optimisation for the kernel, which then need not linger; a socket that does not support the linger option is
    // closed all the same.
    let _not_tcp = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    // This sends the reset; an unconnected socket sends none.
    let _not_connected = rustix::net::connect_unspec(socket);
}

/// Sends a FIN, for the same reason as [`send_reset`]; a pending connect is aborted.
fn send_fin(socket: BorrowedFd<'_>) {
    if socket2::SockRef::from(&socket).shutdown(Shutdown::Write).is_err() {
        let _not_connecting = rustix::net::connect_unspec(socket);
    }
}
