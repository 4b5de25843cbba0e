//! Routing data of the suite: which notifiers a check notifies, what it depends on, and when it is in maintenance.

mod dependencies;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary_suite::{Check, CheckId, Notify, RepeatInterval, Suite};
use dependencies::Dependencies;
use windows::Windows;

/// Index of the suite's checks for routing. Building and dropping it is slow for many checks: do neither on a thread
/// that others wait for.
#[derive(Debug, Default)]
pub struct SuiteIndex {
    checks: HashMap<CheckId, Arc<Check>>,
    dependencies: Dependencies,
    windows: Windows,
}

impl SuiteIndex {
    /// Indexes a suite; no check is bad yet.
    #[must_use]
    pub fn new(suite: &Suite) -> Self {
        let checks = suite
            .checks
            .iter()
            .map(|check| (check.id.clone(), Arc::clone(check)));
        Self {
            checks: checks.collect(),
            dependencies: Dependencies::new(suite),
            windows: Windows::new(suite),
        }
    }

    pub(super) fn check(&self, id: &CheckId) -> Option<&Arc<Check>> {
        self.checks.get(id)
    }

    pub(super) fn is_in_maintenance(&mut self, check: &Check, now: SystemTime) -> bool {
        self.windows.covers(check, now)
    }

    /// Records whether a check is bad, if it is part of this suite.
    pub(super) fn set_bad(&mut self, id: &CheckId, is_bad: bool) {
        if let Some(check) = self.checks.get(id) {
            self.dependencies.set_bad(check, is_bad);
        }
    }

    /// Whether any transitive dependency of this check is bad.
    pub(super) fn has_bad_dependency(&mut self, check: &Check) -> bool {
        self.dependencies.has_bad_dependency(check)
    }

    /// Names and windows visited so far, as a measure of cost.
    pub(super) fn steps(&self) -> u64 {
        self.dependencies.steps() + self.windows.steps()
    }
}

/// Whether a check notifies this notifier.
pub(super) fn notifies(check: &Check, notifier: &str) -> bool {
    match &check.alert.notify {
        Notify::All => true,
        Notify::Only(names) => names.iter().any(|name| **name == *notifier),
        Notify::None => false,
    }
}

/// The interval between reminders of a check, given the configured default; none for no reminders.
pub(super) fn reminder_interval(check: &Check, default: Option<Duration>) -> Option<Duration> {
    match check.alert.repeat_interval {
        RepeatInterval::Inherit => default,
        RepeatInterval::Never => None,
        RepeatInterval::Every(interval) => Some(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_notifies_every_notifier_that_it_names_and_no_other() {
        let mut check = Check::minimal("web", Duration::from_secs(30));
        check.alert.notify = Notify::Only(["ops".into(), "chat".into()].into());
        let notified: Vec<_> = ["ops", "chat", "mail"].map(|name| notifies(&check, name)).into();
        assert_eq!(notified, [true, true, false]);
    }
}
