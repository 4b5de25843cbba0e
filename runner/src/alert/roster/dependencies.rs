//! Which checks depend on which, by name, and whether something is wrong with what a check depends on.
//!
//! A name may have many targets, and many checks may depend on it: what is wrong is counted for each name when a check
//! gets another status, and what follows from that is found out once for each name until the next such change.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::suite::{Check, CheckId, Suite};

/// The names that some check depends on.
#[derive(Debug, Default)]
pub(in crate::alert) struct Dependencies {
    places: HashMap<Arc<str>, usize>,
    /// By place: the places of all that the targets of a name depend on.
    above: Vec<BTreeSet<usize>>,
    names: Vec<Name>,
    /// The checks that are bad, each with the place of its name.
    bad: HashMap<CheckId, usize>,
    /// Goes up when a name becomes bad, and when it is well again.
    change: u64,
    steps: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Name {
    /// Targets that are bad.
    bad: usize,
    /// What was found out.
    finding: Finding,
}

/// Whether a name is bad, or one that it depends on.
#[derive(Debug, Clone, Copy, Default)]
struct Finding {
    is_bad: bool,
    /// As of this change: it says nothing after the next one.
    change: u64,
}

impl Dependencies {
    /// Of a suite, in which nothing is bad so far.
    pub(super) fn of(suite: &Suite) -> Self {
        let mut places = HashMap::new();
        for name in suite.checks.iter().flat_map(|check| check.depends_on.iter()) {
            let next = places.len();
            places.entry(Arc::clone(name)).or_insert(next);
        }
        let mut above = vec![BTreeSet::new(); places.len()];
        for check in &suite.checks {
            let place = places.get(check.name.as_str());
            if let Some(above) = place.and_then(|place| above.get_mut(*place)) {
                above.extend(check.depends_on.iter().filter_map(|name| places.get(name)));
            }
        }
        Self {
            names: vec![Name::default(); places.len()],
            above,
            places,
            bad: HashMap::new(),
            change: 1,
            steps: 0,
        }
    }

    /// Notes whether a check is bad.
    pub(super) fn note(&mut self, check: &Check, is_bad: bool) {
        let Some(place) = self.places.get(check.name.as_str()).copied() else {
            return;
        };
        let was_bad = match is_bad {
            true => self.bad.insert(check.id.clone(), place).is_some(),
            false => self.bad.remove(&check.id).is_some(),
        };
        let Some(name) = self.names.get_mut(place).filter(|_| is_bad != was_bad) else {
            return;
        };
        let before = name.bad;
        name.bad = match is_bad {
            true => before + 1,
            false => before.saturating_sub(1),
        };
        if (before == 0) != (name.bad == 0) {
            self.change += 1;
        }
    }

    /// Whether one of the checks that this one depends on, or that those depend on, is bad. Targets of one name do not
    /// depend on each other.
    pub(super) fn is_any_bad(&mut self, check: &Check) -> bool {
        for name in check.depends_on.iter().filter(|name| ***name != *check.name) {
            self.steps += 1;
            let place = self.places.get(name).copied();
            if place.is_some_and(|place| self.is_bad(place)) {
                return true;
            }
        }
        false
    }

    /// Names that were looked at so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    fn is_bad(&mut self, place: usize) -> bool {
        let change = self.change;
        let known = self.names.get(place).map(|name| name.finding);
        if let Some(finding) = known.filter(|finding| finding.change == change) {
            return finding.is_bad;
        }
        let (walked, is_bad) = self.walk(place);
        // Of a walk that ended early, only the first name is known; else all are well.
        for (nth, place) in walked.into_iter().enumerate() {
            if let Some(name) = self.names.get_mut(place) {
                let change = if is_bad && nth > 0 { 0 } else { change };
                name.finding = Finding { is_bad, change };
            }
        }
        is_bad
    }

    /// Looks for something bad from a name on, at each name once: the names that were looked at, and whether there is.
    fn walk(&mut self, first: usize) -> (Vec<usize>, bool) {
        let (mut walked, mut next) = (vec![first], 0);
        let mark = Finding {
            is_bad: false,
            change: self.change,
        };
        while let Some(place) = walked.get(next).copied() {
            (next, self.steps) = (next + 1, self.steps + 1);
            match self.names.get_mut(place) {
                Some(name) if name.bad > 0 => return (walked, true),
                Some(name) => name.finding = mark,
                None => continue,
            }
            for above in self.above.get(place).into_iter().flatten() {
                self.steps += 1;
                let Some(name) = self.names.get_mut(*above) else {
                    continue;
                };
                match name.finding {
                    known if known.change != self.change => {
                        name.finding = mark;
                        walked.push(*above);
                    }
                    known if known.is_bad => return (walked, true),
                    // It was looked at, or will be.
                    _ => {}
                }
            }
        }
        (walked, false)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn check(name: &str, target: usize, depends_on: &[String]) -> Check {
        Check {
            id: CheckId::new(&format!("{name}@{target}")),
            depends_on: depends_on.iter().map(|name| Arc::from(name.as_str())).collect(),
            ..Check::plain(name, Duration::from_secs(30))
        }
    }

    fn names(count: usize, of: &str) -> Vec<String> {
        (0..count).map(|number| format!("{of}{number}")).collect()
    }

    fn dependencies(checks: &[Check]) -> Dependencies {
        Dependencies::of(&Suite {
            checks: checks.iter().cloned().map(Arc::new).collect(),
            groups: BTreeMap::new(),
            maintenance: Vec::new(),
            variables: Vec::new(),
        })
    }

    #[test]
    fn a_name_of_many_targets_costs_no_more_than_one_of_a_single_target() {
        let (roots, leaves) = (names(100, "root"), names(10_000, "leaf"));
        let mut checks: Vec<Check> = roots.iter().map(|name| check(name, 0, &[])).collect();
        checks.extend((0..10_000).map(|target| check("hub", target, &roots)));
        let leaves: Vec<Check> = leaves
            .iter()
            .map(|name| check(name, 0, &["hub".to_owned()]))
            .collect();
        checks.extend_from_slice(&leaves);
        let mut dependencies = dependencies(&checks);
        for is_bad in [false, true, false] {
            dependencies.note(&checks[99], is_bad);
            let before = dependencies.steps();
            assert!(leaves.iter().all(|leaf| dependencies.is_any_bad(leaf) == is_bad));
            let steps = dependencies.steps() - before;
            assert!(steps < 10_500, "{steps} steps for 10,000 checks");
        }
    }

    #[test]
    fn a_long_way_is_gone_once_until_something_changes() {
        let names = names(5_000, "step");
        let of = |number: usize| match number {
            0 => check(&names[0], 0, &[]),
            _ => check(&names[number], 0, &names[number - 1..number]),
        };
        let checks: Vec<Check> = (0..names.len()).map(of).collect();
        let last = check("last", 0, &names[4_999..]);
        let mut dependencies = dependencies(&[checks.as_slice(), std::slice::from_ref(&last)].concat());
        for is_bad in [true, false, true] {
            dependencies.note(&checks[0], is_bad);
            let before = dependencies.steps();
            assert!((0..100).all(|_| dependencies.is_any_bad(&last) == is_bad));
            let steps = dependencies.steps() - before;
            assert!(steps < 2 * 5_000 + 200, "{steps} steps");
        }
    }

    #[test]
    fn a_name_is_bad_while_any_of_its_targets_is() {
        let targets = [check("hub", 0, &[]), check("hub", 1, &[])];
        let leaf = check("leaf", 0, &["hub".to_owned()]);
        let mut dependencies = dependencies(&[targets[0].clone(), targets[1].clone(), leaf.clone()]);
        let mut judge = |target: usize, is_bad: bool| {
            dependencies.note(&targets[target], is_bad);
            dependencies.is_any_bad(&leaf)
        };
        let seen = [
            (0, true),
            (1, true),
            (1, true),
            (0, false),
            (1, false),
            (1, false),
        ];
        let seen = seen.map(|(target, is_bad)| judge(target, is_bad));
        assert_eq!(seen, [true, true, true, true, false, false]);
    }

    #[test]
    fn whatever_changes_the_verdict_is_that_of_a_walk_from_anew() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let names = names(12, "n");
            let checks: Vec<Check> = (0..names.len())
                .map(|number| {
                    let above = (0..number).filter(|_| random.u32(..4) == 0);
                    let above: Vec<String> = above.map(|above| names[above].clone()).collect();
                    check(&names[number], 0, &above)
                })
                .collect();
            let mut dependencies = dependencies(&checks);
            let mut bad = [false; 12];
            for _ in 0..50 {
                let changed = random.usize(..12);
                bad[changed] = random.bool();
                dependencies.note(&checks[changed], bad[changed]);
                // What is above a name comes before it.
                let mut is_blamed = [false; 12];
                for number in 0..12 {
                    let above = checks[number].depends_on.iter();
                    let above = above.filter_map(|name| names.iter().position(|other| **other == **name));
                    is_blamed[number] = above.into_iter().any(|above| bad[above] || is_blamed[above]);
                }
                let asked = random.usize(..12);
                assert_eq!(dependencies.is_any_bad(&checks[asked]), is_blamed[asked]);
            }
        }
    }
}
