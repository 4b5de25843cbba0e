//! Standard output and standard error of a guest: each line becomes a line of the run's log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use canary_net::ledger::Page;
use canary_run::outcome::LogLevel;

/// Bytes of a line; a longer one becomes several.
const MAX_LINE: usize = 2 << 10;
/// Last bytes that are kept for the message of a trap.
const MAX_TAIL: usize = 4 << 10;
/// Bytes of one write.
const MAX_WRITE: usize = 64 << 10;

/// One of the two streams. Clones write to the same one.
#[derive(Clone)]
pub(super) struct GuestOutput {
    name: &'static str,
    page: Arc<Page>,
    written: Arc<Mutex<Written>>,
}

#[derive(Default)]
struct Written {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The end of everything.
    tail: Vec<u8>,
}

impl GuestOutput {
    /// The stream of this name, such as `stdout`, of the guest whose page this is.
    pub(super) fn new(name: &'static str, page: Arc<Page>) -> Self {
        Self {
            name,
            page,
            written: Arc::default(),
        }
    }

    /// The last bytes, as text: most languages write why they give up to standard error.
    pub(super) fn tail(&self) -> String {
        String::from_utf8_lossy(&self.written().tail).into_owned()
    }

    /// Logs a line that has not ended.
    pub(super) fn end(&self) {
        let line = std::mem::take(&mut self.written().line);
        self.log(&line);
    }

    fn append(&self, bytes: &[u8]) {
        let mut written = self.written();
        written.keep_tail(bytes);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, has_ended) = match piece.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (piece, false),
            };
            self.append_piece(&mut written.line, piece);
            if has_ended {
                self.log(&std::mem::take(&mut written.line));
            }
        }
    }

    /// Appends a part of a line, and logs it as often as it reaches its maximum.
    fn append_piece(&self, line: &mut Vec<u8>, mut piece: &[u8]) {
        while let Some((within, rest)) = piece.split_at_checked(MAX_LINE - line.len()) {
            line.extend_from_slice(within);
            self.log(&std::mem::take(line));
            piece = rest;
        }
        line.extend_from_slice(piece);
    }

    fn log(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if !text.is_empty() {
            let stream = ("stream".to_owned(), self.name.to_owned());
            self.page.log(LogLevel::Info, text.to_owned(), vec![stream]);
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn keep_tail(&mut self, bytes: &[u8]) {
        let bytes = bytes.last_chunk::<MAX_TAIL>().map_or(bytes, |last| last);
        let surplus = (self.tail.len() + bytes.len()).saturating_sub(MAX_TAIL);
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(bytes);
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestOutput {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_net::ledger::{Budget, Ledger, PageOwner};
    use canary_record::Recorder;
    use canary_record::quota::{Quota, QuotaKind};
    use canary_suite::Secrets;

    fn page(log_lines: u64) -> Arc<Page> {
        let quota = Quota {
            log_lines,
            ..Quota::default()
        };
        let recorder = Recorder::new(Secrets::new(["correct-horse-battery"]), quota.record);
        Ledger::new(Budget::new(1)).open_page(PageOwner::service("a"), quota, recorder)
    }

    fn logged(page: &Page) -> Vec<String> {
        let lines = page.take_log();
        lines.iter().map(|line| line.message.to_string()).collect()
    }

    #[test]
    fn each_line_is_a_line_of_the_log_however_it_is_written() {
        let page = page(16);
        let output = GuestOutput::new("stdout", Arc::clone(&page));
        for part in ["one\ntw", "o", "\r\n\n  \nthree\n\nfo", "ur"] {
            output.append(part.as_bytes());
        }
        output.end();
        output.end();
        assert_eq!(logged(&page), ["one", "two", "three", "four"]);
    }

    #[test]
    fn a_long_line_becomes_several_and_secrets_in_it_are_masked() {
        let page = page(16);
        let output = GuestOutput::new("stderr", Arc::clone(&page));
        output.append(format!("correct-horse-battery {}\nend\n", "x".repeat(2 * MAX_LINE)).as_bytes());
        let logged = logged(&page);
        assert_eq!(logged.len(), 4);
        assert!(logged[0].starts_with("*** x"), "{}", logged[0]);
        assert_eq!(logged[3], "end");
    }

    #[test]
    fn lines_beyond_the_quota_are_dropped_and_counted_and_the_tail_is_kept() {
        let page = page(2);
        let output = GuestOutput::new("stderr", Arc::clone(&page));
        for number in 0..10_000 {
            output.append(format!("line {number}\n").as_bytes());
        }
        assert_eq!(logged(&page), ["line 0", "line 1"]);
        assert_eq!(page.usage().denials[&QuotaKind::LogLines], 9_998);
        let tail = output.tail();
        assert!(
            tail.len() <= MAX_TAIL && tail.ends_with("line 9998\nline 9999\n"),
            "{tail}"
        );
    }
}
