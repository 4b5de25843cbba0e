//! The log lines of alerting.

use tracing::Level;

/// Their module in the log, by which a filter such as `warn,canary::alert=debug` finds them: the crate of alerting
/// returns its notices and does not log them itself.
const MODULE: &str = "canary::alert";

/// Logs a line about alerting. `tracing` needs level and target at compile time.
pub(super) fn log_at(level: Level, line: &str) {
    match level {
        Level::ERROR => tracing::error!(target: MODULE, "{line}"),
        Level::WARN => tracing::warn!(target: MODULE, "{line}"),
        _ => tracing::info!(target: MODULE, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Collects the level and the target of each event.
    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<(Level, &'static str)>>>);

    impl Subscriber for Collected {
        fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _span: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}

        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let metadata = event.metadata();
            self.0
                .lock()
                .unwrap()
                .push((*metadata.level(), metadata.target()));
        }

        fn enter(&self, _span: &Id) {}

        fn exit(&self, _span: &Id) {}
    }

    #[test]
    fn lines_of_alerting_have_the_module_that_filters_name() {
        let collected = Collected::default();
        let levels = [Level::ERROR, Level::WARN, Level::INFO];
        tracing::subscriber::with_default(collected.clone(), || {
            for level in levels {
                log_at(level, "notifier `ops` failed");
            }
        });
        let expected = levels.map(|level| (level, "canary::alert"));
        assert_eq!(*collected.0.lock().unwrap(), expected);
    }
}
