//! Open maintenance windows, computed once a second rather than for each check.

use std::time::{Duration, SystemTime};

use canary_suite::{Check, Suite, Window};

const SECOND: Duration = Duration::from_secs(1);

/// The maintenance windows of a suite.
#[derive(Debug, Default)]
pub(super) struct Windows {
    all: Vec<Window>,
    /// The second for which `open` was computed.
    second: Option<SystemTime>,
    /// Indexes of the windows open at its beginning or its end.
    open: Vec<usize>,
    steps: u64,
}

impl Windows {
    pub(super) fn new(suite: &Suite) -> Self {
        Self {
            all: suite.maintenance.clone(),
            ..Self::default()
        }
    }

    /// Whether a window suppresses the alerts of `check` at `now`.
    pub(super) fn covers(&mut self, check: &Check, now: SystemTime) -> bool {
        self.refresh(now);
        for index in &self.open {
            self.steps += 1;
            if self
                .all
                .get(*index)
                .is_some_and(|window| window.covers(check, now))
            {
                return true;
            }
        }
        false
    }

    /// Windows visited so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    fn refresh(&mut self, now: SystemTime) {
        let into = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let into = Duration::from_nanos(u64::from(into.subsec_nanos()));
        let second = now.checked_sub(into);
        if second.is_some() && self.second == second {
            return;
        }
        let begin = second.unwrap_or(now);
        let end = begin.checked_add(SECOND - Duration::from_nanos(1));
        let windows = self.all.iter().enumerate();
        let open = windows.filter(|(_, window)| window.is_open(begin) || window.is_open(end.unwrap_or(now)));
        self.open = open.map(|(index, _)| index).collect();
        self.steps += u64::try_from(self.all.len()).unwrap_or(u64::MAX);
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use canary_suite::{Scope, Times};

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
    }

    /// Windows of 1,500 ms, the first starting a quarter of a second after noon, the others on other days.
    fn windows(count: u64) -> (Windows, Check) {
        let day = Duration::from_secs(86_400);
        let window = |number: u64| {
            let times = Times::Once {
                from: noon() + Duration::from_millis(250) + day * u32::try_from(number).unwrap(),
                duration: Duration::from_millis(1_500),
            };
            Window::new(&number.to_string(), Scope::default(), times)
        };
        let check = Check::minimal("a", Duration::from_secs(30));
        let suite = Suite {
            checks: vec![Arc::new(check.clone())],
            disabled: Vec::new(),
            groups: BTreeMap::new(),
            maintenance: (0..count).map(window).collect(),
            variables: Vec::new(),
        };
        (Windows::new(&suite), check)
    }

    #[test]
    fn a_window_is_open_from_its_begin_to_its_end_within_a_second_too() {
        let (mut windows, check) = windows(2);
        for (millis, is_covered) in [
            (0, false),
            (249, false),
            (250, true),
            (999, true),
            (1_000, true),
            (1_749, true),
            (1_750, false),
            (2_000, false),
            (600, true),
        ] {
            let now = noon() + Duration::from_millis(millis);
            assert_eq!(windows.covers(&check, now), is_covered, "{millis}");
        }
    }

    #[test]
    fn windows_are_looked_through_once_a_second_for_all_checks() {
        let (mut windows, check) = windows(1_000);
        for second in 0..2 {
            for _ in 0..1_000 {
                windows.covers(&check, noon() + second * SECOND);
            }
        }
        let steps = windows.steps();
        assert!(steps <= 2 * (1_000 + 1_000), "{steps} steps");
    }
}
