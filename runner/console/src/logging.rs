//! The log: every event of `tracing` that Canary emits, as lines of standard error.
//!
//! An event is redacted and formatted where it happens, and written by the thread `canary-log` without blocking the
//! caller. Events of libraries are excluded: at their finer levels they contain requests, with the secrets in them.

mod filter;
mod format;
mod module_name;
#[cfg(test)]
mod tests;

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

pub use filter::{Filter, FilterError};
pub use format::Format;
use format::Record;
pub use module_name::module_name;

use super::output::Output;
use canary_suite::Secrets;

/// Sends every event from now on to `log`, including panics. Only the first call in a process has an effect.
pub(super) fn install(log: Output, format: Format, filter: &Filter, secrets: Secrets) {
    let subscriber = subscriber(log, format, filter.clone(), secrets);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        // The default hook writes to standard error itself, and blocks on its reader.
        std::panic::set_hook(Box::new(log_panic));
    }
}

fn subscriber(
    log: Output,
    format: Format,
    filter: Filter,
    secrets: Secrets,
) -> impl Subscriber + Send + Sync {
    let layer = LogLayer { log, format, secrets };
    tracing_subscriber::registry().with(filter).with(layer)
}

/// The line that reports dropped lines.
pub(super) fn dropped_lines(format: Format, count: u64) -> String {
    let message = format!("dropped {count} log lines: standard error was not read in time");
    let secrets = Secrets::default();
    format.line(&Record::new(SystemTime::now(), Level::WARN, module_path!(), &secrets).with_message(&message))
}

/// The line that says why a command failed, in full but redacted.
pub(super) fn failure_line(format: Format, message: &str, secrets: &Secrets) -> String {
    format.line(&Record::new(SystemTime::now(), Level::ERROR, module_path!(), secrets).with_message(message))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        thread = thread.name(),
        place = location,
        "panicked: {}",
        message.unwrap_or("no message")
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!("{backtrace}");
    }
}

struct LogLayer {
    log: Output,
    format: Format,
    secrets: Secrets,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut record = Record::new(
            SystemTime::now(),
            *metadata.level(),
            metadata.target(),
            &self.secrets,
        );
        event.record(&mut record);
        self.log.push(&self.format.line(&record));
    }
}
