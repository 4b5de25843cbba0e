//! A process with a deadline, which does not outlive the value that stands for it.

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Limits;
use super::allowance::Allowance;
use super::error::{IsolationError, explain};
use super::exchange::Exchange;
use super::worker::{SUBCOMMAND, WorkerLimits};
use rustix::event::{PollFd, Timespec, poll};

/// The program of this process, whatever became of its file since.
const OWN: &str = "/proc/self/exe";
/// How often it is looked whether somebody still waits.
const GLANCE: Duration = Duration::from_millis(50);
/// Between two looks at whether a process has ended that says no more.
const PAUSE: Duration = Duration::from_millis(2);
/// Threads that compile at once.
const MAX_THREADS: usize = 4;

/// What is started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// The worker of this very program.
    pub(super) fn own(limits: Limits) -> Self {
        let limits = WorkerLimits {
            memory: limits.memory,
            // A backstop for when this process is stopped and cannot look at the clock.
            cpu: limits.time.as_secs().saturating_add(1) * u64::try_from(MAX_THREADS).unwrap_or(1),
            parent: std::process::id(),
        };
        let mut arguments = vec![OsString::from(SUBCOMMAND)];
        arguments.extend(limits.arguments());
        Self {
            path: OWN.into(),
            arguments,
        }
    }

    /// With pipes for its three streams, no environment, and none of this process's own descriptors.
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

/// Killed and reaped when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Process {
    /// How it ended, once it has closed its streams.
    fn ended(&mut self, allowance: &Allowance) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if allowance.left().is_zero() {
                return Ok(None);
            }
            // Nothing is open any more that could be waited for.
            std::thread::park_timeout(PAUSE);
        }
    }
}

/// Starts a program, gives it `input`, and waits for what it writes. Blocks.
///
/// The thread that starts it has to wait for it: the kernel kills the process when that thread ends.
pub(super) fn run(
    program: &Program,
    input: &[&[u8]],
    limits: Limits,
    cancelled: &AtomicBool,
) -> Result<Vec<u8>, IsolationError> {
    let too_long = || IsolationError::TooLong { limit: limits.time };
    let mut process = program.start().map_err(IsolationError::Start)?;
    let allowance = Allowance::new(limits.time, process.0.id());
    let mut exchange = Exchange::new(&mut process.0, input).map_err(IsolationError::Start)?;
    while !exchange.is_over() {
        let left = allowance.left();
        if left.is_zero() {
            return Err(too_long());
        }
        if cancelled.load(Ordering::Acquire) {
            return Err(IsolationError::Cancelled);
        }
        wait(&exchange, left.min(GLANCE)).map_err(IsolationError::Start)?;
        exchange.advance()?;
    }
    let status = process.ended(&allowance).map_err(IsolationError::Start)?;
    let status = status.ok_or_else(too_long)?;
    let (output, words) = exchange.finish();
    match status.success() {
        true => Ok(output),
        false => Err(explain(status, &words, limits)),
    }
}

fn wait(exchange: &Exchange<'_>, time: Duration) -> io::Result<()> {
    let mut streams: Vec<PollFd<'_>> = exchange.streams().collect();
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(&mut streams, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
