//! A program that runs: what it prints, what it holds, and its end.

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

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::Ending;
use crate::freeze::Frozen;

/// A program that runs. It is killed on drop.
#[derive(Debug)]
pub struct Running {
    pub(super) child: Child,
    /// Absent where it writes to a terminal.
    pub(super) out: Option<BufReader<ChildStdout>>,
    pub(super) err: Option<BufReader<ChildStderr>>,
    /// Of standard output and standard error, where threads read them.
    pub(super) readers: Vec<JoinHandle<Vec<u8>>>,
    pub(super) watchdog: Option<Sender<()>>,
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

    /// Whether it has taken one of these signals over.
    #[must_use]
    pub fn catches(&self, signals: &[Signal]) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
        let bits = signals.iter().map(|signal| 1 << (signal.as_raw() - 1));
        caught.unwrap_or_default() & bits.sum::<u64>() != 0
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
