//! Programs, started as a user would start them: the one under test, and real peers.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program that cannot be run must fail its test"
)]

mod running;

use std::ffi::OsStr;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub use running::Running;
use running::message;

use crate::terminal::Terminal;

/// A program that takes longer is killed, and its test fails.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A program about to be started, with nothing of this process's environment.
#[derive(Debug)]
pub struct Program {
    command: Command,
    limit: Duration,
}

impl Program {
    /// The program at `path`.
    #[must_use]
    pub fn at(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(path);
        command.env_clear().stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            command,
            limit: LIMIT,
        }
    }

    /// One test of the binary that calls this, in a process of its own: to starve it, or for the sake of its
    /// environment. `name` is the test's whole path, and the test is ignored otherwise.
    ///
    /// # Panics
    /// The binary that runs cannot be found.
    #[must_use]
    pub fn test(name: &str) -> Self {
        let binary = std::env::current_exe().expect("a test runs");
        Self::at(binary).args(["--ignored", "--exact", "--nocapture", name])
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Has it read from a terminal and write to it; what it says on standard error stays apart.
    #[must_use]
    pub fn on(mut self, terminal: &Terminal) -> Self {
        self.command.stdin(terminal.end()).stdout(terminal.end());
        self
    }

    /// Starts it in `folder`.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Lets it have so many descriptors open and no more; whatever it does, it cannot raise that.
    #[must_use]
    pub fn descriptors(self, most: u32) -> Self {
        self.after(&format!("ulimit -n {most}"))
    }

    /// Lets it write files of so many KiB and no longer ones.
    #[must_use]
    pub fn file_size(self, most_kib: u64) -> Self {
        // The shell counts in blocks of 512 bytes. The soft limit, which can be raised again.
        self.after(&format!("ulimit -S -f {}", most_kib * 2))
    }

    /// Kills it, and fails its test, when it takes longer than this, and not after [`LIMIT`].
    #[must_use]
    pub const fn for_up_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Has a shell do this first, and then become the program.
    #[must_use]
    pub fn after(self, script: &str) -> Self {
        let script = format!("{script} && exec \"$0\" \"$@\"");
        self.by("/bin/sh", &["-c", &script])
    }

    /// Starts it by a program that has it and its arguments as its own last arguments, and becomes it.
    #[must_use]
    pub fn by(self, starter: &str, arguments: &[&str]) -> Self {
        let mut started = Self::at(starter).args(arguments).for_up_to(self.limit);
        let command = &mut started.command;
        command
            .arg(self.command.get_program())
            .args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        started
    }

    /// Starts it.
    #[must_use]
    pub fn start(mut self) -> Running {
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {:?}: {error}", self.command.get_program()),
        };
        Running {
            out: child.stdout.take().map(BufReader::new),
            err: child.stderr.take().map(BufReader::new),
            readers: Vec::new(),
            watchdog: Some(watch(Pid::from_child(&child), self.limit)),
            child,
        }
    }

    /// Starts it and waits for its end.
    #[must_use]
    pub fn run(self) -> Ending {
        self.start().end()
    }
}

/// Kills a program that outlives the limit, unless the sender is dropped before.
fn watch(program: Pid, limit: Duration) -> Sender<()> {
    let (sender, done) = channel();
    thread::spawn(move || {
        if done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // It may have ended at this very moment.
            let _ended = kill_process(program, Signal::KILL);
        }
    });
    sender
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ending {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ending {
    /// The lines of standard error, without time and level where they are of the log.
    pub fn notes(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.err.lines().map(message)
    }
}

/// Finds a program that is no part of this repository, on the path or in the folder `CANARY_TOOLS`. Where it is missing
/// the test should end, which is said aloud; where the environment names it in `CANARY_REQUIRE`, as CI does, that is a
/// failure.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = std::env::var_os("CANARY_TOOLS").map(PathBuf::from);
    // Debian has servers where ordinary users do not look.
    let others = tools.into_iter().chain([PathBuf::from("/usr/sbin")]);
    let folders = std::env::split_paths(&path).chain(others);
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        skip(program);
    }
    found
}

/// Says aloud that a test leaves out what wants `missing`: a program, or a right such as `mount`. That is a failure where
/// the environment names it in `CANARY_REQUIRE`.
///
/// # Panics
/// It is named there.
pub fn skip(missing: &str) {
    let required = std::env::var_os("CANARY_REQUIRE").unwrap_or_default();
    let is_required = required
        .to_str()
        .is_some_and(|all| all.split(',').any(|one| one == missing));
    assert!(!is_required, "`{missing}` is not there");
    // Past the capture of test output.
    let _closed = writeln!(
        io::stderr(),
        "SKIPPED: a test wants `{missing}`, which is not there"
    );
}
