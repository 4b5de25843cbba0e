//! An output stream that is written by a separate thread: a reader that does not read blocks only that thread.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canary_run::report::for_terminal;
use canary_system::liveness::{self, BEAT, Component, Progress, Registry, STALL};

/// Maximum number of queued texts; further ones are dropped and counted.
const MAX_ENTRIES: usize = 4_096;
/// Maximum bytes of queued texts.
const MAX_BYTES: usize = 4 << 20;
/// How long flushing the queue may take at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Queues texts for one stream. Cheap to clone. The default drops and counts everything.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<Shared>);

/// Stops the thread of an [`Output`] when dropped, after the queue is flushed or a second has passed.
#[derive(Debug)]
pub(super) struct OutputThread(Output);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals that there is something to write, or that the thread should stop.
    ready: Condvar,
    /// Signals that the thread has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Entry>,
    bytes: usize,
    /// Number of texts dropped since the start.
    dropped: u64,
    /// How many of those were reported.
    reported: u64,
    /// Whether no more texts are accepted.
    is_closed: bool,
    has_ended: bool,
}

/// Closed until a thread is started.
impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            reported: 0,
            is_closed: true,
            has_ended: true,
        }
    }
}

#[derive(Debug)]
struct Entry {
    text: String,
    /// Receives the result, if somebody waits for it.
    result: Option<SyncSender<io::Result<()>>>,
}

impl Output {
    /// Starts the thread that writes to `stream`. `recovered` is called with the number of dropped texts, once after
    /// each outage of the stream; the text that it returns is written as well.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub(super) fn start(
        component: Component,
        registry: &Registry,
        stream: impl Write + Send + 'static,
        recovered: impl Fn(u64) -> Option<String> + Send + 'static,
    ) -> io::Result<(Self, OutputThread)> {
        let output = Self::default();
        {
            let mut queue = output.0.queue();
            (queue.is_closed, queue.has_ended) = (false, false);
        }
        let shared = Arc::clone(&output.0);
        liveness::spawn(component, registry, move |progress| {
            let _ended = Ended(&shared);
            write_all(&shared, stream, progress, recovered);
        })?;
        Ok((output.clone(), OutputThread(output)))
    }

    /// Queues a text without blocking. If the queue is full it is dropped and counted; control sequences are escaped.
    pub fn push(&self, text: &str) {
        self.push_raw(for_terminal(text).into_owned());
    }

    /// Draws a text in place of the last `lines` lines.
    pub fn redraw(&self, lines: usize, text: &str) {
        // Moves up to the first of them, and clears what is below.
        let back = match lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        };
        self.push_raw(back + &for_terminal(text));
    }

    /// Queues a text with control sequences.
    pub(super) fn push_raw(&self, text: String) {
        self.0.push(Entry { text, result: None }, MAX_BYTES);
    }

    /// Writes a text of any size and waits for it, for `limit` at most: for a command whose purpose is to print it.
    /// Control sequences are escaped.
    ///
    /// # Errors
    /// The reader is gone or does not read, or the stream is closed or full.
    pub fn write(&self, text: &str, limit: Option<Duration>) -> io::Result<()> {
        self.write_raw(for_terminal(text).into_owned(), limit)
    }

    /// The same without escaping control sequences.
    pub(super) fn write_raw(&self, text: String, limit: Option<Duration>) -> io::Result<()> {
        let (result_tx, result_rx) = sync_channel(1);
        let result = Some(result_tx);
        self.0.push(Entry { text, result }, usize::MAX);
        let result = match limit {
            Some(limit) => result_rx.recv_timeout(limit),
            None => result_rx.recv().map_err(RecvTimeoutError::from),
        };
        result.unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(io::ErrorKind::TimedOut.into()),
            // The sender is dropped with the entry.
            RecvTimeoutError::Disconnected => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    /// Number of texts dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.queue().dropped
    }
}

/// Accepts every write completely, as one text.
impl Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn push(&self, entry: Entry, max_bytes: usize) {
        let mut queue = self.queue();
        let bytes = queue.bytes.saturating_add(entry.text.len());
        if queue.is_closed || queue.waiting.len() >= MAX_ENTRIES || bytes > max_bytes {
            queue.dropped += 1;
            return;
        }
        queue.bytes = bytes;
        queue.waiting.push_back(entry);
        drop(queue);
        self.ready.notify_one();
    }

    /// Waits for the next text; `None` when the thread should stop.
    fn next(&self, progress: &Progress) -> Option<Entry> {
        let mut queue = self.queue();
        loop {
            if let Some(entry) = queue.waiting.pop_front() {
                queue.bytes -= entry.text.len();
                return Some(entry);
            }
            if queue.is_closed {
                return None;
            }
            progress.beat();
            let waited = self.ready.wait_timeout(queue, BEAT);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Number of drops that were not reported yet, once the queue is empty.
    fn unreported(&self) -> Option<u64> {
        let mut queue = self.queue();
        let new = queue.dropped - queue.reported;
        if new == 0 || !queue.waiting.is_empty() {
            return None;
        }
        queue.reported = queue.dropped;
        Some(new)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every critical section is a few assignments.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OutputThread {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.queue().is_closed = true;
        shared.ready.notify_one();
        // A stream that is not read does not delay the exit.
        drop(
            shared
                .ended
                .wait_timeout_while(shared.queue(), FLUSH_TIMEOUT, |queue| !queue.has_ended),
        );
    }
}

/// Signals that the thread has ended, also after a panic.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.has_ended = true;
        queue.is_closed = true;
        // Dropping the entries notifies their waiters that they are never written.
        queue.waiting.clear();
        drop(queue);
        self.0.ended.notify_all();
    }
}

fn write_all(
    shared: &Shared,
    mut stream: impl Write,
    progress: &Progress,
    recovered: impl Fn(u64) -> Option<String>,
) {
    while let Some(Entry { text, result }) = shared.next(progress) {
        progress.working("writing", STALL);
        let written = write_whole(&mut stream, &text);
        let is_written = written.is_ok();
        if !is_written {
            shared.queue().dropped += 1;
        }
        if let Some(result) = result {
            // The waiter may be gone.
            let _waiter_gone = result.try_send(written);
        }
        let unreported = is_written.then(|| shared.unreported()).flatten();
        if let Some(text) = unreported.and_then(&recovered) {
            // If the stream fails again, the next success reports it.
            let _failed = write_whole(&mut stream, &text);
        }
    }
}

/// Writes everything. A non-blocking stream, which another program may share, is retried.
fn write_whole(stream: &mut impl Write, text: &str) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the thread has nothing else to do")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
