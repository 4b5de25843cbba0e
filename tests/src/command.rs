//! Child processes, started as a user would start them: the program under test, and real peers.
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

/// Default time limit of a program: it is killed after that and its test fails. Longer than all waits of one test
/// together, even on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(600);

/// A program to be started, with an empty environment.
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

    /// One test of the current test binary, in a separate process, to limit its resources or change its environment.
    /// `name` is the full path of the test, which must be `#[ignore]`d.
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

    /// Connects its standard input and output to a terminal; standard error stays a pipe.
    #[must_use]
    pub fn on(mut self, terminal: &Terminal) -> Self {
        self.command.stdin(terminal.end()).stdout(terminal.end());
        self
    }

    /// Sets its working directory.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets its hard limit of open descriptors.
    #[must_use]
    pub fn descriptors(self, most: u32) -> Self {
        self.after(&format!("ulimit -n {most}"))
    }

    /// Limits the size of files it writes, in KiB.
    #[must_use]
    pub fn file_size(self, most_kib: u64) -> Self {
        // The shell counts in blocks of 512 bytes. This is the soft limit, which can be raised again.
        self.after(&format!("ulimit -S -f {}", most_kib * 2))
    }

    /// Sets the time after which it is killed and its test fails, in place of [`LIMIT`].
    #[must_use]
    pub const fn for_up_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs this shell script first, then `exec`s the program.
    #[must_use]
    pub fn after(self, script: &str) -> Self {
        let script = format!("{script} && exec \"$0\" \"$@\"");
        self.by("/bin/sh", &["-c", &script])
    }

    /// Wraps it in a program that takes the command line as its last arguments and `exec`s it.
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

    /// Starts it and waits until it exits.
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
            // It may have exited at this very moment.
            let _ended = kill_process(program, Signal::KILL);
        }
    });
    sender
}

/// The exit code and output of a program.
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
    /// The lines of standard error; of log lines only the message.
    pub fn log_lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.err.lines().map(message)
    }
}

/// Finds an external program on the path or in the folder `CANARY_TOOLS`. `None` where it is missing: the test should
/// return then, and the skip is printed. Fails if `CANARY_REQUIRE` names the program, as in CI.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = std::env::var_os("CANARY_TOOLS").map(PathBuf::from);
    // Debian installs servers in folders that are not on the path of ordinary users.
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

/// Prints that a test is skipped because of `missing`: a program, or a permission such as `mount`. Fails if
/// `CANARY_REQUIRE` names it.
///
/// # Panics
/// It is named there.
pub fn skip(missing: &str) {
    let required = std::env::var_os("CANARY_REQUIRE").unwrap_or_default();
    let is_required = required
        .to_str()
        .is_some_and(|all| all.split(',').any(|one| one == missing));
    assert!(!is_required, "`{missing}` is not there");
    // Written directly, which bypasses the capture of test output.
    let _closed = writeln!(
        io::stderr(),
        "SKIPPED: a test wants `{missing}`, which is not there"
    );
}
