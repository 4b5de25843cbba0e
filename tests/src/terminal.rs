//! A pseudo-terminal, to read the output of a program and to send it key presses.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a terminal that cannot be had must fail its test"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use tokio::time::Instant;

/// Time limit for expected output.
const LIMIT: Duration = Duration::from_secs(60);
/// Maximum number of unread chunks. A program that writes more blocks, as on a stopped terminal.
const MAX_PENDING_CHUNKS: usize = 1_024;
/// Maximum size of a chunk in bytes.
const CHUNK_BYTES: usize = 4_096;

/// A pseudo-terminal operated by a test.
#[derive(Debug)]
pub struct Terminal {
    /// The controlling side (screen and keyboard).
    own: File,
    /// The program's side, kept open so that its attributes can be read after the program has exited.
    programs: OwnedFd,
    pieces: Receiver<Vec<u8>>,
    written: Vec<u8>,
}

impl Terminal {
    /// Opens a terminal of this size.
    ///
    /// # Panics
    /// The operating system has none.
    #[must_use]
    pub fn open(columns: u16, lines: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let own = openpt(flags).expect("a pseudo-terminal");
        unlockpt(&own).expect("its other side may be opened");
        let programs = ioctl_tiocgptpeer(&own, flags).expect("its other side");
        let own = File::from(own);
        let (sender, pieces) = sync_channel(MAX_PENDING_CHUNKS);
        let source = own.try_clone().expect("a second descriptor");
        thread::spawn(move || read(source, &sender));
        let terminal = Self {
            own,
            programs,
            pieces,
            written: Vec::new(),
        };
        terminal.resize(columns, lines);
        terminal
    }

    /// Changes its size.
    ///
    /// # Panics
    /// The operating system refuses.
    pub fn resize(&self, columns: u16, lines: u16) {
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.own, size).expect("a pseudo-terminal has a size");
    }

    /// Sends key presses.
    ///
    /// # Panics
    /// The operating system refuses.
    pub fn press(&mut self, keys: &str) {
        self.own.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// Its termios attributes.
    ///
    /// # Panics
    /// The operating system does not say.
    #[must_use]
    pub fn attributes(&self) -> Termios {
        tcgetattr(&self.programs).expect("a terminal has attributes")
    }

    /// Blocks until the complete output satisfies `is_so`, and returns it.
    ///
    /// # Panics
    /// It does not become so within a minute.
    pub fn until(&mut self, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let written = String::from_utf8_lossy(&self.written).into_owned();
            if is_so(&written) {
                return written;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.written.extend(piece),
                Err(_) => panic!("not within {LIMIT:?}; what was written is {written:?}"),
            }
        }
    }

    /// The program's side, for its standard input and output.
    pub(crate) fn end(&self) -> Stdio {
        self.programs.try_clone().expect("a second descriptor").into()
    }
}

/// Reads until the program's side is closed everywhere, or the receiver is dropped.
fn read(mut source: File, sender: &SyncSender<Vec<u8>>) {
    let mut piece = [0; CHUNK_BYTES];
    while let Ok(length @ 1..) = source.read(&mut piece) {
        let read = piece.get(..length).unwrap_or_default();
        if sender.send(read.to_vec()).is_err() {
            return;
        }
    }
}
