//! What the suite says of alerts: whom a check tells, what it depends on, when it is in maintenance.

mod dependencies;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::suite::Check;
use crate::suite::CheckId;
use crate::suite::Notify;
use crate::suite::Remind;
use crate::suite::Suite;
use dependencies::Dependencies;
use windows::Windows;

/// The checks of the suite. To make it, and to release it, takes long for many checks: neither is done where somebody
/// waits for that.
#[derive(Debug, Default)]
pub struct Roster {
    checks: HashMap<CheckId, Arc<Check>>,
    dependencies: Dependencies,
    windows: Windows,
}

impl Roster {
    /// Of a suite, in which no check is bad so far.
    #[must_use]
    pub fn of(suite: &Suite) -> Self {
        let checks = suite
            .checks
            .iter()
            .map(|check| (check.id.clone(), Arc::clone(check)));
        Self {
            checks: checks.collect(),
            dependencies: Dependencies::of(suite),
            windows: Windows::of(suite),
        }
    }

    pub(super) fn check(&self, id: &CheckId) -> Option<&Arc<Check>> {
        self.checks.get(id)
    }

    pub(super) fn is_in_maintenance(&mut self, check: &Check, now: SystemTime) -> bool {
        self.windows.cover(check, now)
    }

    /// Notes whether a check is bad, if it is one of these.
    pub(super) fn note(&mut self, id: &CheckId, is_bad: bool) {
        if let Some(check) = self.checks.get(id) {
            self.dependencies.note(check, is_bad);
        }
    }

    /// Whether one of the checks that this one depends on, or that those depend on, is bad.
    pub(super) fn depends_on_bad(&mut self, check: &Check) -> bool {
        self.dependencies.is_any_bad(check)
    }

    /// Names and windows that were looked at so far: what it cost to answer.
    pub(super) fn steps(&self) -> u64 {
        self.dependencies.steps() + self.windows.steps()
    }
}

/// Whether a check tells this notifier.
pub(super) fn tells(check: &Check, notifier: &str) -> bool {
    match &check.alert.notify {
        Notify::All => true,
        Notify::Only(names) => names.iter().any(|name| **name == *notifier),
        Notify::None => false,
    }
}

/// From one reminder to the next, given what the operator decided; nothing for none.
pub(super) fn remind(check: &Check, runner: Option<Duration>) -> Option<Duration> {
    match check.alert.remind {
        Remind::AsTheRunner => runner,
        Remind::Never => None,
        Remind::Every(interval) => Some(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_every_notifier_that_it_names_and_no_other() {
        let mut check = Check::plain("web", Duration::from_secs(30));
        check.alert.notify = Notify::Only(["ops".into(), "chat".into()].into());
        let told: Vec<_> = ["ops", "chat", "mail"].map(|name| tells(&check, name)).into();
        assert_eq!(told, [true, true, false]);
    }
}
