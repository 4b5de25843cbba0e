//! Programs, started as a user would start them: the one under test, and real peers.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a program that cannot be run must fail its test"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::freeze::Frozen;
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

/// A program that runs. It is killed on drop.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Absent where it writes to a terminal.
    out: Option<BufReader<ChildStdout>>,
    err: Option<BufReader<ChildStderr>>,
    /// Of standard output and standard error, where threads read them.
    readers: Vec<JoinHandle<Vec<u8>>>,
    watchdog: Option<Sender<()>>,
}

impl Running {
    /// The next line that it writes to standard output; `None` when it wrote its last.
    pub fn line(&mut self) -> Option<String> {
        self.out.as_mut().and_then(next_line)
    }

    /// The message of the next line that it writes to standard error; `None` when it wrote its last.
    pub fn note(&mut self) -> Option<String> {
        let line = self.err.as_mut().and_then(next_line)?;
        Some(message(&line).to_owned())
    }

    /// Has threads read what it writes from now on, so that it never waits for a reader; [`Self::end`] has the texts.
    pub fn read_on(&mut self) {
        fn reader(stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
            let mut stream = stream;
            thread::spawn(move || {
                let mut text = Vec::new();
                // What came before an error is the text.
                let _read = stream.read_to_end(&mut text);
                text
            })
        }
        if self.readers.is_empty() {
            let out = self.out.take().map(reader);
            let out = out.unwrap_or_else(|| thread::spawn(Vec::new));
            let err = self.err.take().map(reader);
            self.readers = vec![out, err.expect("it is read by nobody else")];
        }
    }

    /// Fills its standard output and standard error to the last byte: whoever writes to them from now on waits for a
    /// reader, and nobody reads.
    ///
    /// # Panics
    /// It has ended, or writes to a terminal.
    pub fn clog(&self) {
        for stream in [1, 2] {
            let path = format!("/proc/{}/fd/{stream}", self.child.id());
            let flags = OFlags::WRONLY | OFlags::NONBLOCK;
            let pipe = rustix::fs::open(path, flags, Mode::empty()).expect("it still runs");
            // A pipe that is full for a page may have room for a byte.
            for filler in [&[b'#'; 4096][..], b"#"] {
                while rustix::io::write(&pipe, filler).is_ok() {}
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it still runs");
    }

    /// Whether it has ended, and waits to be asked how.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status.is_ok_and(|status| status.lines().any(|line| line.starts_with("State:\tZ")))
    }

    /// A process that it started with this word among its arguments; waits for it to be there.
    #[must_use]
    pub fn child_with(&self, argument: &str) -> i32 {
        let parent = format!("PPid:\t{}", self.child.id());
        let is_meant = |pid: &i32| {
            let read =
                |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let is_child = read("status").lines().any(|line| line == parent);
            is_child && read("cmdline").split('\0').any(|own| own == argument)
        };
        loop {
            let all = std::fs::read_dir("/proc").expect("processes are listed");
            let mut pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
            if let Some(pid) = pids.find(is_meant) {
                return pid;
            }
            thread::yield_now();
        }
    }

    /// Lets it have no descriptor open from this number on.
    ///
    /// # Panics
    /// It has ended, or its hard limit is lower.
    pub fn limit_descriptors(&self, most: u64) {
        self.limit(Resource::Nofile, Some(most));
    }

    /// Changes how long a file may be that it writes to, in bytes; as long as this process may when nothing is given.
    ///
    /// # Panics
    /// It has ended, or its hard limit is lower.
    pub fn limit_file_size(&self, most: Option<u64>) {
        self.limit(Resource::Fsize, most);
    }

    fn limit(&self, resource: Resource, most: Option<u64>) {
        // It has inherited those of this process.
        let own = getrlimit(resource);
        let limit = Rlimit {
            current: most.or(own.current),
            maximum: own.maximum,
        };
        let program = Some(Pid::from_child(&self.child));
        prlimit(program, resource, limit).expect("its limit may be set");
    }

    /// What each of its descriptors stands for.
    #[must_use]
    pub fn descriptors(&self) -> BTreeMap<String, PathBuf> {
        let folder = format!("/proc/{}/fd", self.child.id());
        let entries = std::fs::read_dir(folder).expect("it still runs");
        let link = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.to_owned();
            // One that was closed meanwhile is none.
            Some((number, std::fs::read_link(&path).ok()?))
        };
        entries.filter_map(link).collect()
    }

    /// Its threads, and the name of each as the kernel cuts it: 15 bytes of it.
    #[must_use]
    pub fn threads(&self) -> BTreeMap<i32, String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let entries = std::fs::read_dir(folder).expect("it still runs");
        let thread = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            // One that has ended meanwhile is none.
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            Some((number, name.trim_end().to_owned()))
        };
        entries.filter_map(thread).collect()
    }

    /// Stops every thread of this name until the value is dropped, and no other.
    ///
    /// # Panics
    /// There is none, or this process may not trace its children.
    pub fn freeze(&self, name: &str) -> Frozen<'_> {
        let threads = self.threads();
        let is_meant = |own: &String| name.starts_with(own.as_str()) && own.len() == name.len().min(15);
        let meant: Vec<i32> = threads
            .iter()
            .filter_map(|(number, own)| is_meant(own).then_some(*number))
            .collect();
        assert!(!meant.is_empty(), "no thread is named `{name}`: {threads:?}");
        Frozen::new(self, meant)
    }

    /// Bytes of its memory that are resident.
    #[must_use]
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most bytes of its memory that were ever resident.
    #[must_use]
    pub fn peak_resident(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it still runs");
        let found = status.lines().find_map(|one| one.strip_prefix(line));
        let kib = found.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.expect("the kernel says so") << 10
    }

    /// Waits for its end; what was read as a line before is not in the texts.
    #[must_use]
    pub fn end(mut self) -> Ending {
        self.read_on();
        let mut texts = self
            .readers
            .drain(..)
            .map(|reader| reader.join().expect("it reads to the end"));
        let (out, err) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        drop(texts);
        let status = self.child.wait().expect("it is a child of this process");
        self.watchdog = None;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
        let (out, err) = (text(out), text(err));
        match status.code() {
            Some(code) => Ending { code, out, err },
            None => panic!("it was killed ({status}); it wrote {out:?} and {err:?}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn next_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).expect("it writes UTF-8");
    (length > 0).then(|| line.trim_end_matches('\n').to_owned())
}

/// A line of the log without its time and level; another line as it is.
fn message(line: &str) -> &str {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(time), Some(level), Some(message))
            if time.ends_with('Z') && ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level) =>
        {
            message.trim_start()
        }
        _ => line,
    }
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
