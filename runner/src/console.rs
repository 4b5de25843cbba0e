//! Standard output and standard error, and the log on it. The only place that writes to either.

pub mod logging;
mod output;
pub mod terminal;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

pub use output::Output;

use crate::liveness::{Component, Impact, Registry};
use crate::report::Screen;
use crate::suite::{KnownSecrets, Secrets};
use logging::{Filter, Format};
use output::OutputThread;

/// Columns where the output is no terminal.
const UNKNOWN_WIDTH: usize = 120;
const STDOUT: Component = Component {
    name: "console",
    impact: Impact::Readiness,
};
const LOG: Component = Component {
    name: "log",
    impact: Impact::Readiness,
};

/// What the process writes to. Cheap to clone. The default drops everything.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub log: Output,
}

/// Both streams and the threads that write them, which end when this is dropped.
#[derive(Debug)]
pub struct Console {
    streams: Streams,
    format: Format,
    secrets: KnownSecrets,
    _threads: [OutputThread; 2],
}

impl Console {
    /// Starts both threads, and sends the log and every panic to one of them.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(registry: &Registry, format: Format, filter: &Filter) -> io::Result<Self> {
        let unread = |count| {
            tracing::warn!("{count} texts for standard output were dropped: nobody read them in time");
            None
        };
        let missing = move |count| Some(logging::dropped(format, count));
        let (stdout, stdout_thread) = Output::start(STDOUT, registry, Stream(io::stdout()), unread)?;
        let (log, log_thread) = Output::start(LOG, registry, Stream(io::stderr()), missing)?;
        let secrets = KnownSecrets::default();
        logging::install(log.clone(), format, filter, secrets.others());
        Ok(Self {
            streams: Streams { stdout, log },
            format,
            secrets,
            // In this order: what became of standard output is logged.
            _threads: [stdout_thread, log_thread],
        })
    }

    /// For parts of the runner that write while others wait for nothing.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// What the log shows nothing of.
    #[must_use]
    pub fn secrets(&self) -> &KnownSecrets {
        &self.secrets
    }

    /// Writes a result to standard output, whole.
    ///
    /// # Errors
    /// The output is closed or full.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let line_break = if text.ends_with('\n') { "" } else { "\n" };
        self.streams.stdout.write(&format!("{text}{line_break}"), None)
    }

    /// Logs why a command failed, whole. It is waited for as long as it takes, or for `limit`.
    pub fn fail(&self, error: &anyhow::Error, limit: Option<Duration>) {
        let text = logging::failure(self.format, &format!("{error:#}"), &self.secrets.others());
        // There is nowhere left to say that standard error is closed.
        let _closed = self.streams.log.write(&text, limit);
    }

    /// The same before there is a console.
    pub fn fail_without(format: Format, reason: &str) {
        let text = logging::failure(format, reason, &Secrets::default());
        // There is nowhere left to say that standard error is closed.
        let _closed = io::Write::write(&mut Stream(io::stderr()), text.as_bytes());
    }

    /// Waits until everything that was logged so far is written, or cannot be.
    pub fn flush(&self) {
        let _closed = self.streams.log.write("", None);
    }
}

/// Writes to a descriptor past the buffers and the lock of the standard library, which a write that blocks would keep.
struct Stream<T>(T);

impl<T: std::os::fd::AsFd> io::Write for Stream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says on a terminal why nothing else is there yet: a plugin is compiled the first time that it is used.
pub fn compiling(plugin: &str) {
    if io::stderr().is_terminal() {
        tracing::info!("compiling plugin `{plugin}`");
    }
}

/// What standard output is: its width, and whether to colour (a terminal, and `no_color` is not set).
#[must_use]
pub fn screen(no_color: bool) -> Screen {
    let out = io::stdout();
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
    io::stdout().is_terminal()
}
