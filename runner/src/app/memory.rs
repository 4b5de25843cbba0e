//! Warns if the process limits leave too little memory for a suite.

use rustix::process::{Resource, getrlimit};

use canary_record::quota::format_bytes;
use canary_suite::Suite;

/// Memory of the runner itself, besides its guests. The stored last runs of all checks are at most a quarter of it
/// ([`canary_run::publish::MAX_LAST_RUN_BYTES`]).
const OWN: u64 = 256 << 20;
const _: () = assert!(
    canary_run::publish::MAX_LAST_RUN_BYTES <= 64 << 20,
    "they are a part of what the runner needs"
);
/// Stack size of a run.
const STACK: u64 = 2 << 20;

/// A process limit on memory.
struct Limit {
    name: &'static str,
    option: &'static str,
    bytes: Option<u64>,
}

/// A warning if the suite may need more memory than a process limit allows.
pub(super) fn shortage(suite: &Suite, concurrency: u32) -> Option<String> {
    let limit = |name, option, resource| Limit {
        name,
        option,
        bytes: getrlimit(resource).current,
    };
    let limits = [
        limit("RLIMIT_AS", "ulimit -v", Resource::As),
        limit("RLIMIT_DATA", "ulimit -d", Resource::Data),
    ];
    shortage_with(suite, concurrency, limits)
}

fn shortage_with(suite: &Suite, concurrency: u32, limits: impl IntoIterator<Item = Limit>) -> Option<String> {
    let mut runs: Vec<u64> = suite.checks.iter().map(|check| check.quota.memory).collect();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.truncate(usize::try_from(concurrency).unwrap_or(usize::MAX));
    let of_runs = runs.iter().map(|memory| memory.saturating_add(STACK));
    let needed = of_runs.fold(OWN, u64::saturating_add);
    let exceeded = limits
        .into_iter()
        .filter_map(|limit| Some((limit.bytes?, limit)))
        .filter(|(bytes, _)| *bytes < needed);
    let (bytes, Limit { name, option, .. }) = exceeded.min_by_key(|(bytes, _)| *bytes)?;
    Some(format!(
        "{} concurrent runs and the service may need {} of memory, but {name} is {}: runs may be stopped or \
         the service killed; raise the limit ({option}), or lower `--concurrency` or the checks' `memory`",
        runs.len(),
        format_bytes(needed),
        format_bytes(bytes),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use canary_suite::Check;

    fn suite(checks: usize) -> Suite {
        let check = |number| Arc::new(Check::minimal(&format!("c{number}"), Duration::from_secs(10)));
        Suite {
            checks: (0..checks).map(check).collect(),
            disabled: Vec::new(),
            groups: BTreeMap::new(),
            maintenance: Vec::new(),
            variables: Vec::new(),
        }
    }

    fn warning_for(checks: usize, concurrency: u32, space: Option<u64>, data: Option<u64>) -> Option<String> {
        let limit = |name, option, bytes| Limit { name, option, bytes };
        let limits = [
            limit("RLIMIT_AS", "ulimit -v", space),
            limit("RLIMIT_DATA", "ulimit -d", data),
        ];
        shortage_with(&suite(checks), concurrency, limits)
    }

    #[test]
    fn a_limit_on_memory_that_a_suite_may_reach_is_named_with_what_it_takes() {
        let warning = warning_for(20, 1_000, None, Some(512 << 20)).unwrap();
        assert!(
            warning.starts_with(
                "20 concurrent runs and the service may need 936 MiB of memory, but RLIMIT_DATA is 512 MiB"
            ),
            "{warning}"
        );
        assert!(
            warning.contains("`memory`") && warning.contains("ulimit -d"),
            "{warning}"
        );
        let smaller = warning_for(20, 1_000, Some(300 << 20), Some(512 << 20)).unwrap();
        assert!(smaller.contains("RLIMIT_AS is 300 MiB"), "{smaller}");
    }

    #[test]
    fn no_limit_and_one_that_is_large_enough_are_not_spoken_of() {
        assert_eq!(warning_for(20, 1_000, None, None), None);
        assert_eq!(warning_for(20, 1_000, Some(936 << 20), Some(1 << 40)), None);
        // Not all of them run at once.
        assert_eq!(warning_for(20, 2, Some(512 << 20), None), None);
    }
}
