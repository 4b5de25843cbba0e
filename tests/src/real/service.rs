//! A server process for a test.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a server that cannot be run must fail its test"
)]

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::client::get;
use crate::ports;

/// Maximum number of stored output lines; older ones are dropped.
pub const MAX_OUTPUT_LINES: usize = 100_000;

/// Time limit for a server to become ready.
const START_LIMIT: Duration = Duration::from_secs(300);

/// Interval between polls of a server.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Output lines shown in a failure.
const LINES_SHOWN: usize = 60;

/// Maximum start attempts: another program may take an unused port before the server does.
const MAX_STARTS: usize = 5;

/// The lines of a server's standard output and standard error.
#[derive(Debug, Default)]
struct Output {
    lines: Mutex<VecDeque<String>>,
    written: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() == MAX_OUTPUT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        self.written.notify_all();
    }

    /// Waits until something is written, or for one poll interval.
    fn pause(&self) {
        let _waited = self.written.wait_timeout(self.lock(), POLL_INTERVAL);
    }

    fn tail(&self) -> String {
        let lines = self.lock();
        let skipped = lines.len().saturating_sub(LINES_SHOWN);
        lines
            .iter()
            .skip(skipped)
            .map(|line| format!("\n    {line}"))
            .collect()
    }
}

/// How a server is started.
pub(super) struct Plan<'a> {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    /// How many addresses it listens on.
    pub(super) listeners: usize,
    /// Sets arguments and environment, given its addresses and the folder that it runs in.
    pub(super) arrange: &'a dyn Fn(&mut Command, &[SocketAddr], &Path),
    /// A path at its first address that answers 200 when it is ready; without it, all its addresses must accept.
    pub(super) ready: Option<&'static str>,
}

/// A server process with its own folder. Killed on drop.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    child: Child,
    addresses: Vec<SocketAddr>,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(super) fn start(plan: &Plan<'_>) -> Self {
        let mut failure = String::new();
        for _ in 0..MAX_STARTS {
            match Self::launch(plan).until_ready(plan.ready) {
                Ok(service) => return service,
                Err(output) => failure = output,
            }
        }
        panic!("{} does not start: {failure}", plan.name)
    }

    fn launch(plan: &Plan<'_>) -> Self {
        let folder = TempDir::new().expect("a folder for its files");
        let addresses: Vec<SocketAddr> = (0..plan.listeners).map(|_| ports::unused()).collect();
        let mut command = Command::new(&plan.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        (plan.arrange)(&mut command, &addresses, folder.path());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {:?}: {error}", plan.program),
        };
        let output = Arc::new(Output::default());
        let out = child.stdout.take().map(|out| follow(out, output.clone()));
        let err = child.stderr.take().map(|err| follow(err, output.clone()));
        Self {
            name: plan.name,
            child,
            addresses,
            output,
            readers: out.into_iter().chain(err).collect(),
            _folder: folder,
        }
    }

    /// Waits until it is ready. If it exits, its output is returned as the error.
    fn until_ready(mut self, path: Option<&str>) -> Result<Self, String> {
        let started = Instant::now();
        loop {
            let ready = self.is_ready(path);
            // Checked afterwards: if it could not listen, another program may have answered in its place.
            if self.child.try_wait().expect("it is a child").is_some() {
                return Err(self.output.tail());
            }
            if ready {
                return Ok(self);
            }
            assert!(
                started.elapsed() < START_LIMIT,
                "{} is not ready: {}",
                self.name,
                self.output.tail()
            );
            self.output.pause();
        }
    }

    fn is_ready(&self, path: Option<&str>) -> bool {
        match path {
            Some(path) => get(self.address(0), path).is_ok_and(|answer| answer.status == 200),
            None => self
                .addresses
                .iter()
                .all(|address| TcpStream::connect(address).is_ok()),
        }
    }

    /// One of its addresses.
    pub(super) fn address(&self, number: usize) -> SocketAddr {
        *self.addresses.get(number).expect("as many as were planned")
    }

    /// Every line that it has written, oldest first, at most [`MAX_OUTPUT_LINES`].
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().iter().cloned().collect()
    }

    /// Polls until `ask` returns a value.
    ///
    /// # Panics
    /// The limit is exceeded. The message contains its last output.
    pub(super) fn wait_for<T>(&self, limit: Duration, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(
                started.elapsed() < limit,
                "{}: not within {limit:?}: {what}; it wrote: {}",
                self.name,
                self.output.tail()
            );
            self.output.pause();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have exited by itself.
        let _killed = self.child.kill();
        let _status = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ended = reader.join();
        }
    }
}

fn follow(stream: impl Read + Send + 'static, output: Arc<Output>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    })
}
