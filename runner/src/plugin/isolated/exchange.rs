//! What goes to a process and comes back from it, in whatever order it likes, and never more than is wanted.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::error::IsolationError;
use crate::plugin::artefact;

/// Bytes of an answer: an artefact and what stands in front of it.
pub(super) const MAX_ANSWER: u64 = artefact::LARGEST + (4 << 20);
/// Bytes that are kept of what a process writes to its standard error.
const MAX_WORDS: usize = 8 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// The three streams of a process; each is absent once it is done with.
pub(super) struct Exchange<'a> {
    input: Vec<&'a [u8]>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    answer: Vec<u8>,
    words: Vec<u8>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(child: &mut Child, input: &[&'a [u8]]) -> io::Result<Self> {
        let exchange = Self {
            input: input.iter().rev().copied().collect(),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            answer: Vec::new(),
            words: Vec::new(),
        };
        for stream in exchange.open().map(|(stream, _)| stream) {
            fcntl_setfl(stream, fcntl_getfl(stream)? | OFlags::NONBLOCK)?;
        }
        Ok(exchange)
    }

    /// Whether the process has closed both streams that it writes to.
    pub(super) fn is_over(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// What to wait for.
    pub(super) fn streams(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.open()
            .map(|(stream, flags)| PollFd::from_borrowed_fd(stream, flags))
    }

    fn open(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let stdin = self.stdin.as_ref().map(|stream| (stream.as_fd(), PollFlags::OUT));
        let stdout = self.stdout.as_ref().map(|stream| (stream.as_fd(), PollFlags::IN));
        let stderr = self.stderr.as_ref().map(|stream| (stream.as_fd(), PollFlags::IN));
        [stdin, stdout, stderr].into_iter().flatten()
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self) -> Result<(), IsolationError> {
        self.write().map_err(IsolationError::Start)?;
        let answer = &mut self.answer;
        read(&mut self.stdout, |bytes| answer.extend_from_slice(bytes)).map_err(IsolationError::Start)?;
        if u64::try_from(self.answer.len()).is_ok_and(|length| length > MAX_ANSWER) {
            return Err(IsolationError::TooLarge { limit: MAX_ANSWER });
        }
        let words = &mut self.words;
        let keep = |bytes: &[u8]| {
            let room = MAX_WORDS.saturating_sub(words.len());
            words.extend(bytes.iter().take(room));
        };
        read(&mut self.stderr, keep).map_err(IsolationError::Start)
    }

    /// The answer, and what was said on standard error.
    pub(super) fn finish(self) -> (Vec<u8>, String) {
        (self.answer, String::from_utf8_lossy(&self.words).into_owned())
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(stdin) = &mut self.stdin {
            let Some(bytes) = self.input.last_mut() else {
                self.stdin = None;
                break;
            };
            match stdin.write(bytes) {
                Ok(written) => {
                    *bytes = bytes.get(written..).unwrap_or_default();
                    if bytes.is_empty() {
                        self.input.pop();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It ended, or wants no more: how it ended says why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.stdin = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads once; closes the stream at its end.
fn read<S: Read + AsFd>(stream: &mut Option<S>, mut keep: impl FnMut(&[u8])) -> io::Result<()> {
    let Some(open) = stream else { return Ok(()) };
    let mut chunk = vec![0; CHUNK];
    match open.read(&mut chunk) {
        Ok(0) => *stream = None,
        Ok(length) => keep(chunk.get(..length).unwrap_or_default()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
