//! Standard output and standard error, including the log. The only place that writes to either, with a thread for each
//! so that no reader blocks a writer. It does not know who logs.

pub mod logging;
mod output;
pub mod terminal;

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub use output::Output;

use canary_run::report::Screen;
use canary_suite::{SecretRegistry, Secrets};
use canary_system::liveness::{Component, Impact, Registry};
use logging::{Filter, Format};
use output::OutputThread;

/// Width of a terminal that does not report it.
const UNKNOWN_WIDTH: usize = 120;
const STDOUT: Component = Component {
    name: "console",
    impact: Impact::Readiness,
};
const LOG: Component = Component {
    name: "log",
    impact: Impact::Readiness,
};

/// The output streams of the process. Cheap to clone. The default drops everything.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub log: Output,
}

/// Both streams and the threads that write them, which stop when this is dropped.
#[derive(Debug)]
pub struct Console {
    streams: Streams,
    format: Format,
    secrets: SecretRegistry,
    _threads: [OutputThread; 2],
}

impl Console {
    /// Starts both threads, and sends the log and every panic to standard error.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(registry: &Registry, format: Format, filter: &Filter) -> io::Result<Self> {
        let report_unread = |count| {
            tracing::warn!("dropped {count} messages: standard output was not read in time");
            None
        };
        let report_missing = move |count| Some(logging::dropped_lines(format, count));
        let (stdout, stdout_thread) = Output::start(STDOUT, registry, Stream(io::stdout()), report_unread)?;
        let (log, log_thread) = Output::start(LOG, registry, Stream(io::stderr()), report_missing)?;
        let secrets = SecretRegistry::default();
        logging::install(log.clone(), format, filter, secrets.secrets());
        Ok(Self {
            streams: Streams { stdout, log },
            format,
            secrets,
            // Dropped in this order: what standard output lost is logged.
            _threads: [stdout_thread, log_thread],
        })
    }

    /// The streams, for components that write without blocking.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Secrets that the log redacts.
    #[must_use]
    pub fn secrets(&self) -> &SecretRegistry {
        &self.secrets
    }

    /// Writes a result to standard output in full.
    ///
    /// # Errors
    /// The output is closed or full.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let line_break = if text.ends_with('\n') { "" } else { "\n" };
        self.streams.stdout.write(&format!("{text}{line_break}"), None)
    }

    /// Logs why a command failed, in full. Waits until it is written, or for `limit`.
    pub fn log_failure(&self, error: &anyhow::Error, limit: Option<Duration>) {
        let text = logging::failure_line(self.format, &format!("{error:#}"), &self.secrets.secrets());
        // Standard error is closed, and there is no other place to report that.
        let _closed = self.streams.log.write(&text, limit);
    }

    /// The same before the console exists.
    pub fn log_failure_to_stderr(format: Format, reason: &str) {
        let text = logging::failure_line(format, reason, &Secrets::default());
        // Standard error is closed, and there is no other place to report that.
        let _closed = io::Write::write(&mut Stream(io::stderr()), text.as_bytes());
    }

    /// Waits until everything that was logged so far is written, or cannot be.
    pub fn flush(&self) {
        let _closed = self.streams.log.write("", None);
    }
}

/// Writes to a descriptor directly, bypassing the standard library's buffer and its lock, which a blocked write would
/// hold.
struct Stream<T>(T);

impl<T: AsFd> io::Write for Stream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On a terminal, explains the delay: a plugin is compiled when it is first used.
pub fn log_compiling(plugin: &str) {
    if io::stderr().is_terminal() {
        tracing::info!("compiling plugin `{plugin}`");
    }
}

/// Properties of standard output: its width, and whether to use colour (a terminal, and `no_color` is not set).
#[must_use]
pub fn screen(no_color: bool) -> Screen {
    screen_of(io::stdout().as_fd(), no_color)
}

fn screen_of(out: BorrowedFd<'_>, no_color: bool) -> Screen {
    let is_terminal = out.is_terminal();
    let width = match rustix::termios::tcgetwinsize(out) {
        // A file or a pipe is for other programs, which search lines and cells as a whole.
        _ if !is_terminal => usize::MAX,
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_go_to_a_terminal_have_any_length_and_no_colour() {
        let (_reader, pipe) = io::pipe().unwrap();
        let expected = Screen {
            width: usize::MAX,
            colour: false,
        };
        assert_eq!(screen_of(pipe.as_fd(), false), expected);
    }
}
