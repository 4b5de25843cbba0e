//! A pseudo-terminal: what a program writes on it is read here, and what is pressed here it reads.
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

/// A program that does not write what it should in this time will not write it any more.
const LIMIT: Duration = Duration::from_secs(60);
/// Pieces that wait to be looked at. A program that writes more waits, as it would for a terminal that is stopped.
const WAITING: usize = 1_024;
/// Bytes of a piece.
const PIECE: usize = 4_096;

/// A terminal with nobody before it but a test.
#[derive(Debug)]
pub struct Terminal {
    /// The side of screen and keyboard.
    own: File,
    /// The program's side. Open for as long as this is, so that it can be looked at when the program has ended.
    programs: OwnedFd,
    pieces: Receiver<Vec<u8>>,
    written: Vec<u8>,
}

impl Terminal {
    /// A terminal of so many columns and lines.
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
        let (sender, pieces) = sync_channel(WAITING);
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

    /// Makes it as large as that, from now on.
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

    /// Presses these keys.
    ///
    /// # Panics
    /// The operating system refuses.
    pub fn press(&mut self, keys: &str) {
        self.own.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// How it treats what is pressed and written.
    ///
    /// # Panics
    /// The operating system does not say.
    #[must_use]
    pub fn attributes(&self) -> Termios {
        tcgetattr(&self.programs).expect("a terminal has attributes")
    }

    /// All that was written, as soon as `is_so` of it. Waits for that on this thread.
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

    /// What a program reads from and writes to.
    pub(crate) fn end(&self) -> Stdio {
        self.programs.try_clone().expect("a second descriptor").into()
    }
}

/// Reads until the program's side is closed everywhere, or nobody looks any more.
fn read(mut source: File, sender: &SyncSender<Vec<u8>>) {
    let mut piece = [0; PIECE];
    while let Ok(length @ 1..) = source.read(&mut piece) {
        let read = piece.get(..length).unwrap_or_default();
        if sender.send(read.to_vec()).is_err() {
            return;
        }
    }
}
