//! Health issues of shared pools.

use std::fmt;
use std::time::Duration;

use canary_net::ledger::Ledger;
use canary_net::pool::PoolSnapshot;
use canary_suite::CheckId;

/// A pool in which claims were refused, or waited long, recently.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolShortage {
    snapshot: PoolSnapshot,
    holders: Vec<CheckId>,
}

impl PoolShortage {
    /// The checks that held most of it, the largest first.
    #[must_use]
    pub fn holders(&self) -> &[CheckId] {
        &self.holders
    }
}

impl fmt::Display for PoolShortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolSnapshot {
            name,
            capacity,
            used,
            waiting,
            refused,
            ..
        } = &self.snapshot;
        write!(
            f,
            "pool `{name}` is exhausted: {used} of {capacity} in use, {waiting} waiting, {refused} refused \
             so far"
        )?;
        let holders = self.snapshot.holders.iter();
        let named: Vec<String> = holders
            .map(|(check, units)| format!("{check} ({units})"))
            .collect();
        if named.is_empty() {
            Ok(())
        } else {
            write!(f, "; largest users: {}", named.join(", "))
        }
    }
}

/// Pools that were short less than `window` ago.
pub(super) fn issues(ledger: &Ledger, window: Duration) -> impl Iterator<Item = PoolShortage> + use<> {
    let snapshots = ledger.pools().snapshots().into_iter();
    let recent = snapshots.filter(move |snapshot| snapshot.since_short.is_some_and(|since| since < window));
    recent.map(|snapshot| PoolShortage {
        holders: snapshot
            .holders
            .iter()
            .map(|(check, _)| CheckId::new(check))
            .collect(),
        snapshot,
    })
}
