//! A running child process: its output, its resources and its exit.

#![expect(
    clippy::expect_used,
    reason = "a program that cannot be asked must fail its test"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tokio::time::Instant;

use super::Ending;
use crate::freeze::Frozen;

/// Interval between two looks at the processes or threads.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// Time limit for a thread to start.
const THREAD_LIMIT: Duration = Duration::from_secs(60);

/// A running child process. It is killed on drop.
#[derive(Debug)]
pub struct Running {
    pub(super) child: Child,
    /// `None` where it writes to a terminal.
    pub(super) out: Option<BufReader<ChildStdout>>,
    pub(super) err: Option<BufReader<ChildStderr>>,
    /// Threads that read standard output and standard error.
    pub(super) readers: Vec<JoinHandle<Vec<u8>>>,
    pub(super) watchdog: Option<Sender<()>>,
}

impl Running {
    /// The next line of standard output; `None` at its end.
    pub fn line(&mut self) -> Option<String> {
        self.out.as_mut().and_then(next_line)
    }

    /// The message of the next log line on standard error; `None` at its end.
    pub fn log_line(&mut self) -> Option<String> {
        let line = self.err.as_mut().and_then(next_line)?;
        Some(message(&line).to_owned())
    }

    /// Reads its output on threads from now on, so that it never blocks on a full pipe; [`Self::end`] returns the
    /// output.
    pub fn drain_output(&mut self) {
        fn reader(stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
            let mut stream = stream;
            thread::spawn(move || {
                let mut text = Vec::new();
                // On an error the output up to it is kept.
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

    /// Fills the pipes of its standard output and standard error, so that every further write blocks.
    ///
    /// # Panics
    /// It has exited, or writes to a terminal.
    pub fn fill_output(&self) {
        for stream in [1, 2] {
            let path = format!("/proc/{}/fd/{stream}", self.child.id());
            let flags = OFlags::WRONLY | OFlags::NONBLOCK;
            let pipe = rustix::fs::open(path, flags, Mode::empty()).expect("it still runs");
            // A pipe without room for a page may still have room for single bytes.
            for filler in [&[b'#'; 4096][..], b"#"] {
                while rustix::io::write(&pipe, filler).is_ok() {}
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it still runs");
    }

    /// Whether it has a handler for one of these signals.
    #[must_use]
    pub fn handles(&self, signals: &[Signal]) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
        let bits = signals.iter().map(|signal| 1 << (signal.as_raw() - 1));
        caught.unwrap_or_default() & bits.sum::<u64>() != 0
    }

    /// Whether it has exited and not been waited for.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status.is_ok_and(|status| status.lines().any(|line| line.starts_with("State:\tZ")))
    }

    /// Waits for a child process of it with this argument, and returns its process id.
    ///
    /// # Panics
    /// It has ended.
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
            assert!(!self.has_ended(), "it ended without a child with `{argument}`");
            thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Limits its open descriptors: numbers below `most` only.
    ///
    /// # Panics
    /// It has ended, or its hard limit is lower.
    pub fn limit_descriptors(&self, most: u64) {
        self.limit(Resource::Nofile, Some(most));
    }

    /// Limits the size of files it writes, in bytes; `None` restores the limit of this process.
    ///
    /// # Panics
    /// It has ended, or its hard limit is lower.
    pub fn limit_file_size(&self, most: Option<u64>) {
        self.limit(Resource::Fsize, most);
    }

    fn limit(&self, resource: Resource, most: Option<u64>) {
        // It has inherited the hard limits of this process.
        let own = getrlimit(resource);
        let limit = Rlimit {
            current: most.or(own.current),
            maximum: own.maximum,
        };
        let program = Some(Pid::from_child(&self.child));
        prlimit(program, resource, limit).expect("its limit may be set");
    }

    /// The target of each of its descriptors in `/proc/PID/fd`.
    #[must_use]
    pub fn descriptors(&self) -> BTreeMap<String, PathBuf> {
        let folder = format!("/proc/{}/fd", self.child.id());
        let entries = std::fs::read_dir(folder).expect("it still runs");
        let link = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.to_owned();
            // Descriptors that were closed meanwhile are skipped.
            Some((number, std::fs::read_link(&path).ok()?))
        };
        entries.filter_map(link).collect()
    }

    /// Its threads with their names, which the kernel truncates to 15 bytes.
    #[must_use]
    pub fn threads(&self) -> BTreeMap<i32, String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let entries = std::fs::read_dir(folder).expect("it still runs");
        let thread = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            // Threads that have ended meanwhile are skipped.
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            Some((number, name.trim_end().to_owned()))
        };
        entries.filter_map(thread).collect()
    }

    /// Stops every thread of this name, and no other, until the value is dropped.
    ///
    /// # Panics
    /// There is none within a minute, or this process may not trace its children.
    pub fn freeze(&self, name: &str) -> Frozen<'_> {
        let is_meant = |own: &String| name.starts_with(own.as_str()) && own.len() == name.len().min(15);
        let began = Instant::now();
        loop {
            let threads = self.threads();
            let meant: Vec<i32> = threads
                .iter()
                .filter_map(|(number, own)| is_meant(own).then_some(*number))
                .collect();
            if !meant.is_empty() {
                return Frozen::new(self, meant);
            }
            // A thread has its name only from when it first gets a processor.
            assert!(
                began.elapsed() < THREAD_LIMIT,
                "no thread is named `{name}`: {threads:?}"
            );
            thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Peak resident memory in bytes.
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

    /// Waits until it exits. Lines that were read before are not in the returned output.
    #[must_use]
    pub fn end(mut self) -> Ending {
        self.drain_output();
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
        // It may have exited by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn next_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).expect("it writes UTF-8");
    (length > 0).then(|| line.trim_end_matches('\n').to_owned())
}

/// The message of a log line; any other line unchanged.
pub(super) fn message(line: &str) -> &str {
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
