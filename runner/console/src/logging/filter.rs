//! Filter of the log.

use std::collections::BTreeMap;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Context, Layer};

use super::module_name::module_name;

/// The module that all others are in: only their events are logged.
const OWN: &str = "canary";

/// A level, and levels of modules: `info`, `warn,canary::alert=debug`.
///
/// [`Targets`] would compare the targets of events, which name the crates that the modules are in.
#[derive(Debug, Clone)]
pub struct Filter(BTreeMap<String, LevelFilter>);

/// An invalid filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Neither a level nor a list of levels.
    #[error(
        "write a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or levels of modules such as `warn,canary::alert=debug`"
    )]
    Syntax(#[source] ParseError),
    /// A level for events of another crate.
    #[error(
        "`{0}` is not a module of Canary, and the events of libraries are not logged; write `canary::MODULE=LEVEL`"
    )]
    Foreign(String),
}

impl Filter {
    /// Whether events with this target and level are logged.
    fn enables(&self, target: &str, level: Level) -> bool {
        let name = module_name(target);
        // Backwards: a module sorts before those in it, and the innermost counts.
        let innermost = self.0.iter().rfind(|(module, _)| is_in(&name, module));
        innermost.is_some_and(|(_, limit)| level <= *limit)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self([(OWN.to_owned(), LevelFilter::INFO)].into())
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written: Targets = text.parse().map_err(FilterError::Syntax)?;
        let level = written.default_level().unwrap_or(LevelFilter::INFO);
        let mut levels = BTreeMap::from([(OWN.to_owned(), level)]);
        for (module, level) in written {
            if !is_in(&module, OWN) {
                return Err(FilterError::Foreign(module));
            }
            levels.insert(module, level);
        }
        Ok(Self(levels))
    }
}

/// `tracing` asks once for each place in the code that emits events, and keeps the answer.
impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enables(metadata.target(), *metadata.level()) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.enables(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.values().max().copied()
    }
}

/// Whether `name` is this module or one in it.
fn is_in(name: &str, module: &str) -> bool {
    let inner = name.strip_prefix(module);
    inner.is_some_and(|inner| inner.is_empty() || inner.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enables(filter: &str, target: &str, level: Level) -> bool {
        let filter: Filter = filter.parse().unwrap();
        filter.enables(target, level)
    }

    #[test]
    fn a_level_holds_for_every_module_of_canary_and_for_nothing_else() {
        for own in [
            "canary",
            "canary::app",
            "canary_alert",
            "canary_net::ledger",
            "canary_run::publish",
        ] {
            assert!(enables("debug", own, Level::DEBUG), "{own}");
            assert!(!enables("info", own, Level::DEBUG), "{own}");
            assert!(!enables("off", own, Level::ERROR), "{own}");
        }
        for foreign in ["hyper::client", "canaryfish", "canaryfish::alert"] {
            assert!(!enables("trace", foreign, Level::ERROR), "{foreign}");
        }
    }

    #[test]
    fn without_a_filter_the_level_is_info() {
        let filter = Filter::default();
        assert!(filter.enables("canary_alert::router", Level::INFO));
        assert!(!filter.enables("canary_alert::router", Level::DEBUG));
        assert!(!filter.enables("hyper::client", Level::ERROR));
    }

    #[test]
    fn a_module_can_have_another_level() {
        for (module, target) in [
            ("canary::app", "canary::app"),
            ("canary::app", "canary::app::bootstrap"),
            ("canary::alert", "canary::alert"),
            ("canary::alert", "canary_alert"),
            ("canary::alert", "canary_alert::router"),
            ("canary::alert::router", "canary_alert::router"),
            ("canary::net", "canary_net::tls::session"),
            ("canary::ledger", "canary_net::ledger::page"),
            ("canary::plugin", "canary_sandbox::plugin::loader"),
            ("canary::redact", "canary_record::redact"),
            ("canary::grant", "canary_suite::grant"),
            ("canary::publish", "canary_run::publish"),
            ("canary::signal", "canary_system::signal::guard"),
        ] {
            let filter = format!("warn,{module}=debug");
            assert!(enables(&filter, target, Level::DEBUG), "{filter}: {target}");
            assert!(!enables(&filter, target, Level::TRACE), "{filter}: {target}");
            assert!(!enables(&filter, "canary_state::writer", Level::INFO), "{filter}");
        }
        assert!(enables("canary::alert=debug", "canary::app", Level::INFO));
    }

    #[test]
    fn a_level_of_a_module_does_not_hold_beside_it() {
        for (module, target) in [
            ("canary::net", "canary_net::ledger::page"),
            ("canary::net", "canary_network"),
            ("canary::alert::notice", "canary_alert::notices"),
            ("canary::alert::router", "canary_alert"),
        ] {
            let filter = format!("warn,{module}=debug");
            assert!(!enables(&filter, target, Level::INFO), "{filter}: {target}");
        }
    }

    #[test]
    fn the_innermost_module_counts() {
        let filter = "trace,canary::alert=off,canary::alert::router=warn";
        assert!(enables(filter, "canary_alert::router::rows", Level::WARN));
        assert!(!enables(filter, "canary_alert::router", Level::INFO));
        assert!(!enables(filter, "canary_alert::queue", Level::ERROR));
        assert!(enables(filter, "canary_state::writer", Level::TRACE));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "loud",
            "canary=loud",
            "hyper=debug",
            "canaryfish=debug",
            "canary_alert=debug",
        ] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }
}
