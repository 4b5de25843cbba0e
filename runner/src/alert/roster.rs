//! What the suite says of alerts: whom a check tells, what it depends on, when it is in maintenance.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::suite::Check;
use crate::suite::CheckId;
use crate::suite::Notify;
use crate::suite::Remind;
use crate::suite::Suite;
use crate::suite::Window;

/// The checks of the suite. To make it, and to release it, takes long for many checks: neither is done where somebody
/// waits for that.
#[derive(Debug, Default)]
pub struct Roster {
    checks: HashMap<CheckId, Arc<Check>>,
    /// All targets of a name, for the names that some check depends on.
    by_name: HashMap<Arc<str>, Vec<CheckId>>,
    windows: Vec<Window>,
}

impl Roster {
    /// Of a suite.
    #[must_use]
    pub fn of(suite: &Suite) -> Self {
        let names = suite.checks.iter().flat_map(|check| check.depends_on.iter());
        let mut by_name: HashMap<Arc<str>, Vec<CheckId>> =
            names.map(|name| (Arc::clone(name), Vec::new())).collect();
        for check in &suite.checks {
            if let Some(ids) = by_name.get_mut(check.name.as_str()) {
                ids.push(check.id.clone());
            }
        }
        let checks = suite
            .checks
            .iter()
            .map(|check| (check.id.clone(), Arc::clone(check)));
        Self {
            checks: checks.collect(),
            by_name,
            windows: suite.maintenance.clone(),
        }
    }

    pub(super) fn check(&self, id: &CheckId) -> Option<&Arc<Check>> {
        self.checks.get(id)
    }

    pub(super) fn is_in_maintenance(&self, check: &Check, now: SystemTime) -> bool {
        self.windows.iter().any(|window| window.covers(check, now))
    }

    /// Whether one of the checks that this one depends on, or that those depend on, is `bad`.
    pub(super) fn depends_on_any(&self, check: &Check, bad: impl Fn(&CheckId) -> bool) -> bool {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut names: Vec<&str> = check.depends_on.iter().map(AsRef::as_ref).collect();
        while let Some(name) = names.pop() {
            if !seen.insert(name) {
                continue;
            }
            for id in self.by_name.get(name).into_iter().flatten() {
                if bad(id) {
                    return true;
                }
                let further = self.checks.get(id).map(|check| &*check.depends_on);
                names.extend(further.unwrap_or(&[]).iter().map(AsRef::as_ref));
            }
        }
        false
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
