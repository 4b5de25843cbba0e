//! What the collector took of the runs: their root spans, counted as they come, since it forgets the oldest.

use std::collections::BTreeMap;

use canary_tests::collector::{Arrivals, Spans};

/// The lag of each run whose root span was delivered, by check.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    next: u64,
    lags: BTreeMap<String, Vec<f64>>,
}

impl Roots {
    /// Adds what came since it was last asked.
    pub(crate) fn add(&mut self, arrivals: &Arrivals) {
        assert!(
            arrivals.forgotten <= self.next,
            "the collector forgot what nobody had looked at"
        );
        let new = arrivals
            .requests
            .iter()
            .filter(|one| one.number >= self.next && one.taken);
        let spans: Spans = new.map(|one| &one.message).collect();
        for root in spans.roots().iter() {
            let check = root.attributes["canary.check.name"].as_str().unwrap();
            let lag = root.attributes["canary.lag"].as_f64().unwrap();
            self.lags.entry(check.to_owned()).or_default().push(lag);
        }
        self.next = arrivals.forgotten + arrivals.requests.len() as u64;
    }

    /// How many came of this check.
    pub(crate) fn of(&self, check: &str) -> u64 {
        self.lags.get(check).map_or(0, |lags| lags.len() as u64)
    }

    /// The lag that 99 of 100 runs of the checks with this beginning of their name did not exceed, in seconds, and how many
    /// runs that were.
    pub(crate) fn p99(&self, beginning: &str) -> (f64, usize) {
        let of = self.lags.iter().filter(|(check, _)| check.starts_with(beginning));
        let mut all: Vec<f64> = of.flat_map(|(_, lags)| lags.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        let rank = (all.len() * 99).div_ceil(100);
        (
            all.get(rank.saturating_sub(1)).copied().unwrap_or_default(),
            all.len(),
        )
    }
}
