//! Root spans of runs that the collector accepted, counted as they arrive, since it drops the oldest.

use std::collections::BTreeMap;

use canary_tests::collector::{Arrivals, Spans};

/// The lag of each run whose root span was delivered, by check.
#[derive(Debug, Default)]
pub(crate) struct RootSpans {
    next: u64,
    lags: BTreeMap<String, Vec<f64>>,
}

impl RootSpans {
    /// Adds everything that arrived since the last call.
    pub(crate) fn add(&mut self, arrivals: &Arrivals) {
        assert!(
            arrivals.forgotten <= self.next,
            "the collector forgot what nobody had looked at"
        );
        let new = arrivals
            .requests
            .iter()
            .filter(|one| one.number >= self.next && one.accepted);
        let spans: Spans = new.map(|one| &one.message).collect();
        for root in spans.roots().iter() {
            let check = root.attributes["canary.check.name"].as_str().unwrap();
            let lag = root.attributes["canary.lag"].as_f64().unwrap();
            self.lags.entry(check.to_owned()).or_default().push(lag);
        }
        self.next = arrivals.forgotten + arrivals.requests.len() as u64;
    }

    /// The number of root spans of this check.
    pub(crate) fn count(&self, check: &str) -> u64 {
        self.lags.get(check).map_or(0, |lags| lags.len() as u64)
    }

    /// The 99th percentile of the lag, in seconds, of all checks whose names have this prefix, and the number of runs.
    pub(crate) fn p99(&self, prefix: &str) -> (f64, usize) {
        let of = self.lags.iter().filter(|(check, _)| check.starts_with(prefix));
        let mut all: Vec<f64> = of.flat_map(|(_, lags)| lags.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        let rank = (all.len() * 99).div_ceil(100);
        (
            all.get(rank.saturating_sub(1)).copied().unwrap_or_default(),
            all.len(),
        )
    }
}
