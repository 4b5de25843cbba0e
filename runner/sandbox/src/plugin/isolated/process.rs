//! A process with a deadline, killed when its handle is dropped.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Limits;
use super::error::{IsolationError, classify_exit};
use super::pipes::Pipes;
use super::time_budget::TimeBudget;
use super::worker::SUBCOMMAND;
use super::worker_limits::WorkerLimits;
use rustix::event::{PollFd, Timespec, poll};

/// The program of this process, even if its file was replaced since.
const SELF_EXE: &str = "/proc/self/exe";
/// How often the cancellation flag is checked.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Interval between checks whether a process has exited that has closed its streams.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Maximum number of threads that compile at once.
const MAX_THREADS: usize = 4;

/// The command to start.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// The worker command of this same program.
    pub(super) fn worker(limits: Limits) -> Self {
        let limits = WorkerLimits {
            memory: limits.memory,
            // A backstop for when this process is stopped and cannot enforce the deadline.
            cpu: limits.time.as_secs().saturating_add(1) * u64::try_from(MAX_THREADS).unwrap_or(1),
            parent: std::process::id(),
        };
        let mut arguments = vec![OsString::from(SUBCOMMAND)];
        arguments.extend(limits.arguments());
        Self {
            path: SELF_EXE.into(),
            arguments,
        }
    }

    /// Starts it with pipes for its three streams, no environment, and none of this process's own descriptors.
    fn start(&self) -> io::Result<Process> {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS));
        let mut command = Command::new(&self.path);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .args(&self.arguments)
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().map(Process)
    }
}

/// A child process, killed and reaped on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Process {
    /// Waits for the exit status after the streams are closed; `None` when the time budget is used up.
    fn wait_exit(&mut self, time_budget: &TimeBudget) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if time_budget.left().is_zero() {
                return Ok(None);
            }
            // No open stream is left to poll.
            std::thread::park_timeout(EXIT_POLL_INTERVAL);
        }
    }
}

/// Starts a program, writes `input` to it, and returns what it writes. Blocks.
///
/// The thread that starts the process has to wait for it: the kernel kills the process when that thread ends.
pub(super) fn run(
    program: &Program,
    input: &[&[u8]],
    limits: Limits,
    cancelled: &AtomicBool,
) -> Result<Vec<u8>, IsolationError> {
    let too_long = || IsolationError::TooLong { limit: limits.time };
    let mut process = program.start().map_err(IsolationError::Start)?;
    let time_budget = TimeBudget::new(limits.time, process.0.id());
    let mut pipes = Pipes::new(&mut process.0, input).map_err(IsolationError::Start)?;
    while !pipes.is_over() {
        let left = time_budget.left();
        if left.is_zero() {
            return Err(too_long());
        }
        if cancelled.load(Ordering::Acquire) {
            return Err(IsolationError::Cancelled);
        }
        wait(&pipes, left.min(CANCEL_POLL_INTERVAL)).map_err(IsolationError::Start)?;
        pipes.advance()?;
    }
    let status = process.wait_exit(&time_budget).map_err(IsolationError::Start)?;
    let status = status.ok_or_else(too_long)?;
    let (output, stderr_text) = pipes.finish();
    if status.success() {
        Ok(output)
    } else {
        Err(classify_exit(status, &stderr_text, limits))
    }
}

fn wait(pipes: &Pipes<'_>, time: Duration) -> io::Result<()> {
    let mut streams: Vec<PollFd<'_>> = pipes.streams().collect();
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(&mut streams, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
