//! Where lines for people go. The only place that prints.

pub mod terminal;

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::report::Screen;

/// Texts that wait for a slow terminal or pipe; further ones are dropped and counted.
const WAITING: usize = 1_024;
/// Columns where the output is no terminal.
const UNKNOWN_WIDTH: usize = 120;

/// Standard output, written by a thread of its own: a reader that does not read holds nobody up.
pub struct Console {
    texts: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    dropped: u64,
}

impl Console {
    /// Starts the writer.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let (texts, waiting) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("canary-console".to_owned())
            .spawn(move || write_all(&waiting))?;
        Ok(Self {
            texts: Some(texts),
            writer: Some(writer),
            dropped: 0,
        })
    }

    /// Hands a text over without waiting.
    pub fn print(&mut self, text: String) {
        let Some(texts) = &self.texts else { return };
        let text = match self.dropped {
            0 => text,
            dropped => format!("({dropped} lines were dropped: nobody read them in time)\n{text}"),
        };
        match texts.try_send(text) {
            Ok(()) => self.dropped = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += 1,
        }
    }
}

/// Takes everything at once: what nobody reads in time is dropped, and holds nobody up.
impl std::io::Write for Console {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.print(String::from_utf8_lossy(text).into_owned());
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Console {
    /// Writes what waits, then ends.
    fn drop(&mut self) {
        self.texts = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ended = writer.join();
        }
    }
}

fn write_all(waiting: &Receiver<String>) {
    for text in waiting {
        let mut out = std::io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            // The reader is gone; the runner is not.
            return;
        }
    }
}

/// Writes a result to standard output, whole.
///
/// # Errors
/// The output is closed or full.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Writes a line about the work to standard error.
pub fn note(text: &str) {
    // There is nowhere left to say that standard error is closed.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says on a terminal why nothing else is there yet: a plugin is compiled the first time that it is used.
pub fn compiling(plugin: &str) {
    if std::io::stderr().is_terminal() {
        note(&format!("compiling plugin `{plugin}`"));
    }
}

/// What standard output is: its width, and whether to colour (a terminal, and `no_color` is not set).
#[must_use]
pub fn screen(no_color: bool) -> Screen {
    let out = std::io::stdout();
    let is_terminal = out.is_terminal();
    let width = match rustix::termios::tcgetwinsize(&out) {
        Ok(size) if is_terminal && size.ws_col > 0 => usize::from(size.ws_col),
        _ => UNKNOWN_WIDTH,
    };
    Screen {
        width,
        colour: is_terminal && !no_color,
    }
}

/// Whether standard output is a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
