//! Suites, and what changes in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::Plan;
use super::{host, secs};
use crate::app::load::{Files, Loaded};
use crate::dispatch::Plugins;
use crate::suite::{Check, Suite, Window};

/// Checks that there can be.
pub(super) const NAMES: [&str; 7] = ["api", "cache", "database", "mail", "page", "queue", "shop"];
const FEWEST: usize = 3;

pub(super) fn check(name: &str, interval: u64) -> Arc<Check> {
    Arc::new(Check {
        timeout: secs(interval.min(4)),
        failure_threshold: 2,
        success_threshold: 2,
        quota: host::quota(),
        ..Check::plain(name, secs(interval))
    })
}

/// The checks that a seed begins with.
pub(super) fn checks(plan: &Plan, random: &mut fastrand::Rng) -> Vec<Arc<Check>> {
    let names = NAMES.iter().take(random.usize(FEWEST..=NAMES.len()));
    names.map(|name| check(name, interval(plan, random))).collect()
}

/// Adds a check, removes one, or changes the interval of one.
pub(super) fn change(checks: &mut Vec<Arc<Check>>, plan: &Plan, random: &mut fastrand::Rng) {
    let place = random.usize(..checks.len());
    let missing: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| checks.iter().all(|check| check.name != *name))
        .collect();
    match random.u32(..3) {
        0 if checks.len() > FEWEST => drop(checks.remove(place)),
        1 if !missing.is_empty() => {
            let name = missing[random.usize(..missing.len())];
            checks.push(check(name, interval(plan, random)));
        }
        _ => {
            let name = checks[place].name.clone();
            checks[place] = check(&name, interval(plan, random));
        }
    }
}

fn interval(plan: &Plan, random: &mut fastrand::Rng) -> u64 {
    plan.intervals[random.usize(..plan.intervals.len())]
}

pub(super) fn loaded(checks: &[Arc<Check>], windows: &[Window]) -> Loaded {
    Loaded {
        suite: Suite {
            checks: checks.to_vec(),
            groups: BTreeMap::new(),
            maintenance: windows.to_vec(),
        },
        plugins: Plugins::default(),
        files: Files::default(),
    }
}
