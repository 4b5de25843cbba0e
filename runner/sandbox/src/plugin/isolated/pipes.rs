//! The three pipes of a worker process, read and written without blocking and within bounds.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::error::IsolationError;
use crate::plugin::artefact;

/// Maximum bytes of a reply: an artefact and its header.
pub(super) const MAX_REPLY: u64 = artefact::MAX_BYTES + (4 << 20);
/// Maximum bytes stored of what a process writes to standard error.
const MAX_STDERR: usize = 8 << 10;
/// Bytes per read.
const CHUNK: usize = 64 << 10;

/// The standard streams of a process; each is dropped when it is finished.
pub(super) struct Pipes<'a> {
    input: Vec<&'a [u8]>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    reply: Vec<u8>,
    stderr_text: Vec<u8>,
}

impl<'a> Pipes<'a> {
    pub(super) fn new(child: &mut Child, input: &[&'a [u8]]) -> io::Result<Self> {
        let pipes = Self {
            input: input.iter().rev().copied().collect(),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            reply: Vec::new(),
            stderr_text: Vec::new(),
        };
        for stream in pipes.open().map(|(stream, _)| stream) {
            fcntl_setfl(stream, fcntl_getfl(stream)? | OFlags::NONBLOCK)?;
        }
        Ok(pipes)
    }

    /// Whether the process has closed both of its output streams.
    pub(super) fn is_over(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// The streams to poll, with their events.
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

    /// Reads and writes as much as is possible without waiting.
    pub(super) fn advance(&mut self) -> Result<(), IsolationError> {
        self.write().map_err(IsolationError::Start)?;
        let reply = &mut self.reply;
        read(&mut self.stdout, |bytes| reply.extend_from_slice(bytes)).map_err(IsolationError::Start)?;
        if u64::try_from(self.reply.len()).is_ok_and(|length| length > MAX_REPLY) {
            return Err(IsolationError::TooLarge { limit: MAX_REPLY });
        }
        let stderr_text = &mut self.stderr_text;
        let store = |bytes: &[u8]| {
            let room = MAX_STDERR.saturating_sub(stderr_text.len());
            stderr_text.extend(bytes.iter().take(room));
        };
        read(&mut self.stderr, store).map_err(IsolationError::Start)
    }

    /// The reply, and the text on standard error.
    pub(super) fn finish(self) -> (Vec<u8>, String) {
        (
            self.reply,
            String::from_utf8_lossy(&self.stderr_text).into_owned(),
        )
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
                // The process ended or wants no more input: its exit status says why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.stdin = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads once; drops the stream at its end.
fn read<S: Read + AsFd>(stream: &mut Option<S>, mut store: impl FnMut(&[u8])) -> io::Result<()> {
    let Some(open) = stream else { return Ok(()) };
    let mut chunk = vec![0; CHUNK];
    match open.read(&mut chunk) {
        Ok(0) => *stream = None,
        Ok(length) => store(chunk.get(..length).unwrap_or_default()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
