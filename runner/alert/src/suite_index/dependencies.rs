//! Dependency graph of the suite, by check name: is any transitive dependency of a check bad?
//!
//! A name may have many targets, and many checks may depend on it. Bad targets are counted per name when a status
//! changes; the result for each name is cached until the next such change.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use canary_suite::{Check, CheckId, Suite};

/// The names that some check depends on.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    indexes: HashMap<Arc<str>, usize>,
    /// By index: the indexes of all names that the targets of a name depend on.
    upstream: Vec<BTreeSet<usize>>,
    names: Vec<NameState>,
    /// Checks that are bad, each with the index of its name.
    bad: HashMap<CheckId, usize>,
    /// Incremented when a name becomes bad or recovers; invalidates cached results.
    generation: u64,
    steps: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct NameState {
    /// Number of targets that are bad.
    bad: usize,
    /// The cached result.
    cached: CachedResult,
}

/// Whether a name, or one that it depends on, is bad.
#[derive(Debug, Clone, Copy, Default)]
struct CachedResult {
    is_bad: bool,
    /// Valid only while it equals `generation` of [`Dependencies`].
    generation: u64,
}

impl Dependencies {
    /// Builds the graph of a suite; no check is bad yet.
    pub(super) fn new(suite: &Suite) -> Self {
        let mut indexes = HashMap::new();
        for name in suite.checks.iter().flat_map(|check| check.depends_on.iter()) {
            let next = indexes.len();
            indexes.entry(Arc::clone(name)).or_insert(next);
        }
        let mut upstream = vec![BTreeSet::new(); indexes.len()];
        for check in &suite.checks {
            let index = indexes.get(check.name.as_str());
            if let Some(upstream) = index.and_then(|index| upstream.get_mut(*index)) {
                upstream.extend(check.depends_on.iter().filter_map(|name| indexes.get(name)));
            }
        }
        Self {
            names: vec![NameState::default(); indexes.len()],
            upstream,
            indexes,
            bad: HashMap::new(),
            generation: 1,
            steps: 0,
        }
    }

    /// Records whether a check is bad.
    pub(super) fn set_bad(&mut self, check: &Check, is_bad: bool) {
        let Some(index) = self.indexes.get(check.name.as_str()).copied() else {
            return;
        };
        let was_bad = if is_bad {
            self.bad.insert(check.id.clone(), index).is_some()
        } else {
            self.bad.remove(&check.id).is_some()
        };
        let Some(name) = self.names.get_mut(index).filter(|_| is_bad != was_bad) else {
            return;
        };
        let before = name.bad;
        name.bad = if is_bad {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        if (before == 0) != (name.bad == 0) {
            self.generation += 1;
        }
    }

    /// Whether any transitive dependency of this check is bad. Targets of one name do not depend on each other.
    pub(super) fn has_bad_dependency(&mut self, check: &Check) -> bool {
        for name in check.depends_on.iter().filter(|name| ***name != *check.name) {
            self.steps += 1;
            let index = self.indexes.get(name).copied();
            if index.is_some_and(|index| self.is_bad(index)) {
                return true;
            }
        }
        false
    }

    /// Names visited so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    fn is_bad(&mut self, index: usize) -> bool {
        let generation = self.generation;
        let known = self.names.get(index).map(|name| name.cached);
        if let Some(cached) = known.filter(|cached| cached.generation == generation) {
            return cached.is_bad;
        }
        let (visited, is_bad) = self.search(index);
        // A search that stopped early decides only the first name; a complete one found no bad name at all.
        for (nth, index) in visited.into_iter().enumerate() {
            if let Some(name) = self.names.get_mut(index) {
                let generation = if is_bad && nth > 0 { 0 } else { generation };
                name.cached = CachedResult { is_bad, generation };
            }
        }
        is_bad
    }

    /// Breadth-first search for a bad name; visits each name once. Returns the visited names and whether one is bad.
    fn search(&mut self, first: usize) -> (Vec<usize>, bool) {
        let (mut visited, mut next) = (vec![first], 0);
        let visited_mark = CachedResult {
            is_bad: false,
            generation: self.generation,
        };
        while let Some(index) = visited.get(next).copied() {
            (next, self.steps) = (next + 1, self.steps + 1);
            match self.names.get_mut(index) {
                Some(name) if name.bad > 0 => return (visited, true),
                Some(name) => name.cached = visited_mark,
                None => continue,
            }
            for upstream in self.upstream.get(index).into_iter().flatten() {
                self.steps += 1;
                let Some(name) = self.names.get_mut(*upstream) else {
                    continue;
                };
                match name.cached {
                    known if known.generation != self.generation => {
                        name.cached = visited_mark;
                        visited.push(*upstream);
                    }
                    known if known.is_bad => return (visited, true),
                    // Visited, or queued.
                    _ => {}
                }
            }
        }
        (visited, false)
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
            ..Check::minimal(name, Duration::from_secs(30))
        }
    }

    fn names(count: usize, of: &str) -> Vec<String> {
        (0..count).map(|number| format!("{of}{number}")).collect()
    }

    fn dependencies(checks: &[Check]) -> Dependencies {
        Dependencies::new(&Suite {
            checks: checks.iter().cloned().map(Arc::new).collect(),
            disabled: Vec::new(),
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
            dependencies.set_bad(&checks[99], is_bad);
            let before = dependencies.steps();
            assert!(
                leaves
                    .iter()
                    .all(|leaf| dependencies.has_bad_dependency(leaf) == is_bad)
            );
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
            dependencies.set_bad(&checks[0], is_bad);
            let before = dependencies.steps();
            assert!((0..100).all(|_| dependencies.has_bad_dependency(&last) == is_bad));
            let steps = dependencies.steps() - before;
            assert!(steps < 2 * 5_000 + 200, "{steps} steps");
        }
    }

    #[test]
    fn a_name_is_bad_while_any_of_its_targets_is() {
        let targets = [check("hub", 0, &[]), check("hub", 1, &[])];
        let leaf = check("leaf", 0, &["hub".to_owned()]);
        let mut dependencies = dependencies(&[targets[0].clone(), targets[1].clone(), leaf.clone()]);
        let mut set_and_query = |target: usize, is_bad: bool| {
            dependencies.set_bad(&targets[target], is_bad);
            dependencies.has_bad_dependency(&leaf)
        };
        let seen = [
            (0, true),
            (1, true),
            (1, true),
            (0, false),
            (1, false),
            (1, false),
        ];
        let seen = seen.map(|(target, is_bad)| set_and_query(target, is_bad));
        assert_eq!(seen, [true, true, true, true, false, false]);
    }

    #[test]
    fn whatever_changes_the_verdict_is_that_of_a_walk_from_anew() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let names = names(12, "n");
            let checks: Vec<Check> = (0..names.len())
                .map(|number| {
                    let upstream = (0..number).filter(|_| random.u32(..4) == 0);
                    let upstream: Vec<String> = upstream.map(|upstream| names[upstream].clone()).collect();
                    check(&names[number], 0, &upstream)
                })
                .collect();
            let mut dependencies = dependencies(&checks);
            let mut bad = [false; 12];
            for _ in 0..50 {
                let changed = random.usize(..12);
                bad[changed] = random.bool();
                dependencies.set_bad(&checks[changed], bad[changed]);
                // The dependencies of a name come before it.
                let mut is_blamed = [false; 12];
                for number in 0..12 {
                    let upstream = checks[number].depends_on.iter();
                    let upstream =
                        upstream.filter_map(|name| names.iter().position(|other| **other == **name));
                    is_blamed[number] = upstream
                        .into_iter()
                        .any(|upstream| bad[upstream] || is_blamed[upstream]);
                }
                let asked = random.usize(..12);
                assert_eq!(dependencies.has_bad_dependency(&checks[asked]), is_blamed[asked]);
            }
        }
    }
}
