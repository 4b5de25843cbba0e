//! The log: every event of `tracing` that Canary emits, as lines of standard error.
//!
//! An event is redacted and formatted where it happens and written by the thread `canary-log`; nothing waits for that. Events of
//! libraries are left out: at their finer levels they print requests, with the secrets in them.

mod filter;
mod format;

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

pub use filter::{Filter, FilterError};
pub use format::Format;
use format::Record;

use super::output::Output;
use crate::suite::Secrets;

/// Sends every event from now on to `log`, and panics as well. Has an effect once in a process.
pub(super) fn install(log: Output, format: Format, filter: &Filter, secrets: Secrets) {
    let layer = Lines { log, format, secrets };
    let subscriber = tracing_subscriber::registry().with(filter.targets()).with(layer);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        // The usual hook writes to standard error itself, and waits for its reader.
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// The line that says that others are missing.
pub(super) fn dropped(format: Format, count: u64) -> String {
    let message = format!("{count} lines of the log were dropped: nobody read them in time");
    let secrets = Secrets::default();
    format.line(&Record::new(SystemTime::now(), Level::WARN, module_path!(), &secrets).with_message(&message))
}

/// The line that says why a command failed, whole but for secrets.
pub(super) fn failure(format: Format, message: &str, secrets: &Secrets) -> String {
    format.line(&Record::new(SystemTime::now(), Level::ERROR, module_path!(), secrets).with_message(message))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        thread = thread.name(),
        place,
        "panicked: {}",
        message.unwrap_or("no message")
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!("{backtrace}");
    }
}

struct Lines {
    log: Output,
    format: Format,
    secrets: Secrets,
}

impl<S: Subscriber> Layer<S> for Lines {
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
