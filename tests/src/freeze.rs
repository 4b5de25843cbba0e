//! Stops single threads of a process with ptrace while its other threads keep running. Simulates a deadlock, an endless
//! loop or a hanging disk without a hook in the program under test.
#![expect(
    clippy::expect_used,
    reason = "a thread that cannot be stopped must fail its test"
)]

use std::fs;
use std::marker::PhantomData;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::command::Running;

/// How often a thread is looked at before it is stopped while it works. On a busy machine it may wait for a processor
/// for long in the middle of its work.
const IDLE_CHECKS: u32 = 10_000;
const IDLE_CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Stopped threads of a process. They resume when this is dropped.
#[derive(Debug)]
#[must_use = "threads thaw when this is dropped"]
pub struct Frozen<'program> {
    thaw: Option<Sender<()>>,
    tracer: Option<JoinHandle<()>>,
    program: PhantomData<&'program Running>,
}

impl<'program> Frozen<'program> {
    /// Stops these threads of `program`; all of them have stopped when it returns.
    pub(crate) fn new(_program: &'program Running, threads: Vec<i32>) -> Self {
        let (thaw, thawing) = channel();
        let (stopped, all_stopped) = channel();
        // Only the thread that attached to a tracee may detach from it.
        let tracer = thread::spawn(move || trace(&threads, &stopped, &thawing));
        all_stopped
            .recv()
            .expect("a child of this process may be traced: see kernel.yama.ptrace_scope");
        Self {
            thaw: Some(thaw),
            tracer: Some(tracer),
            program: PhantomData,
        }
    }
}

/// Waits until a thread sleeps, for a while: one that is stopped in the middle of its work may hold a lock, which stops
/// others that a test expects to continue.
fn wait_until_idle(thread: Pid) {
    let is_asleep = || {
        let stat = fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('S'))
    };
    for _ in 0..IDLE_CHECKS {
        if is_asleep() {
            return;
        }
        thread::park_timeout(IDLE_CHECK_INTERVAL);
    }
}

fn trace(threads: &[i32], stopped: &Sender<()>, thawing: &Receiver<()>) {
    let threads = || threads.iter().map(|thread| Pid::from_raw(*thread));
    for thread in threads() {
        wait_until_idle(thread);
        ptrace::seize(thread, ptrace::Options::empty()).expect("it may be traced");
        ptrace::interrupt(thread).expect("it is traced");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
    }
    stopped.send(()).expect("somebody waits");
    // Dropping the sender is the signal to resume.
    let _dropped = thawing.recv();
    for thread in threads() {
        // The program may be gone.
        let _gone = ptrace::detach(thread, None);
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.thaw = None;
        if let Some(tracer) = self.tracer.take() {
            // The thread has reported its failure already.
            let _failed = tracer.join();
        }
    }
}
