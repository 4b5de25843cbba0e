//! Suites, and changes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::Plan;
use super::{host, secs};
use crate::app::load::{Files, Loaded};
use canary_sandbox::dispatch::Plugins;
use canary_suite::{Check, Suite, Window};

/// All possible checks.
pub(super) const NAMES: [&str; 7] = ["api", "cache", "database", "mail", "page", "queue", "shop"];
const FEWEST: usize = 3;
/// Those with a retry interval.
const RETRYING: [&str; 3] = ["api", "database", "shop"];

/// Those with a cron expression, unless a plan gives them an interval.
const BY_DAYTIME: [&str; 3] = ["cache", "mail", "page"];

fn drawn(name: &str, plan: &Plan, random: &mut fastrand::Rng) -> Arc<Check> {
    let check = check(name, interval(plan, random));
    match plan.cron().filter(|_| BY_DAYTIME.contains(&name)) {
        Some(cadence) if random.u32(..4) > 0 => Arc::new(Check {
            cadence,
            ..Check::clone(&check)
        }),
        _ => check,
    }
}

pub(super) fn check(name: &str, interval: u64) -> Arc<Check> {
    Arc::new(Check {
        timeout: secs(interval.min(4)),
        failure_threshold: 2,
        success_threshold: 2,
        quota: host::quota(),
        // Some run again soon until their status is confirmed.
        retry_interval: RETRYING.contains(&name).then(|| secs(interval / 3)),
        ..Check::minimal(name, secs(interval))
    })
}

/// The checks at the start of a seed.
pub(super) fn checks(plan: &Plan, random: &mut fastrand::Rng) -> Vec<Arc<Check>> {
    let names = NAMES.iter().take(random.usize(FEWEST..=NAMES.len()));
    names.map(|name| drawn(name, plan, random)).collect()
}

/// Adds a check, removes one, or changes the interval of one.
pub(super) fn change(checks: &mut Vec<Arc<Check>>, plan: &Plan, random: &mut fastrand::Rng) {
    let index = random.usize(..checks.len());
    let missing: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| checks.iter().all(|check| check.name != *name))
        .collect();
    match random.u32(..3) {
        0 if checks.len() > FEWEST => drop(checks.remove(index)),
        1 if !missing.is_empty() => {
            let name = missing[random.usize(..missing.len())];
            checks.push(drawn(name, plan, random));
        }
        _ => {
            let name = checks[index].name.clone();
            checks[index] = drawn(&name, plan, random);
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
            disabled: Vec::new(),
            groups: BTreeMap::new(),
            maintenance: windows.to_vec(),
            variables: Vec::new(),
        },
        plugins: Plugins::default(),
        files: Files::default(),
    }
}
