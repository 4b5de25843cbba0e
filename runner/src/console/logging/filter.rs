//! Filter of the log.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The crate whose events are logged.
const OWN: &str = "canary";

/// A level, and levels of modules: `info`, `warn,canary::alert=debug`.
#[derive(Debug, Clone)]
pub struct Filter(Targets);

/// An invalid filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Neither a level nor a list of levels.
    #[error(
        "write a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or levels of modules such as `warn,canary::alert=debug`"
    )]
    Syntax(#[source] tracing_subscriber::filter::ParseError),
    /// A level for events of another crate.
    #[error(
        "`{0}` is not a module of Canary, and the events of libraries are not logged; write `canary::MODULE=LEVEL`"
    )]
    Foreign(String),
}

impl Filter {
    pub(super) fn targets(&self) -> Targets {
        self.0.clone()
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self(Targets::new().with_target(OWN, LevelFilter::INFO))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let written: Targets = text.parse().map_err(FilterError::Syntax)?;
        let level = written.default_level().unwrap_or(LevelFilter::INFO);
        let is_own = |target: &str| target == OWN || target.starts_with("canary::");
        let mut targets = Targets::new().with_target(OWN, level);
        for (target, level) in written {
            if !is_own(&target) {
                return Err(FilterError::Foreign(target));
            }
            targets = targets.with_target(target, level);
        }
        Ok(Self(targets))
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn enables(filter: &str, target: &str, level: Level) -> bool {
        let filter: Filter = filter.parse().unwrap();
        filter.targets().would_enable(target, &level)
    }

    #[test]
    fn a_level_holds_for_every_module_of_canary_and_for_nothing_else() {
        assert!(enables("debug", "canary::alert", Level::DEBUG));
        assert!(!enables("info", "canary::alert", Level::DEBUG));
        assert!(!enables("trace", "hyper::client", Level::ERROR));
        assert!(!enables("off", "canary", Level::ERROR));
    }

    #[test]
    fn a_module_can_have_another_level() {
        let filter = "warn,canary::alert=debug";
        assert!(enables(filter, "canary::alert::lane", Level::DEBUG));
        assert!(!enables(filter, "canary::app", Level::INFO));
        assert!(enables("canary::alert=debug", "canary::app", Level::INFO));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in ["loud", "canary=loud", "hyper=debug", "canaryfish=debug"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }
}
