//! Pools that run short.

use std::fmt;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::pool::PoolReading;
use crate::suite::CheckId;

/// A pool in which checks were refused, or waited long, a short time ago.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolShort {
    reading: PoolReading,
    holders: Vec<CheckId>,
}

impl PoolShort {
    /// The checks that had most of it, the largest first.
    #[must_use]
    pub fn holders(&self) -> &[CheckId] {
        &self.holders
    }
}

impl fmt::Display for PoolShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolReading {
            name,
            capacity,
            used,
            waiting,
            refused,
            ..
        } = &self.reading;
        write!(
            f,
            "the pool `{name}` is short: {used} of {capacity} in use, {waiting} waiting, {refused} refused so far"
        )?;
        let holders = self.reading.holders.iter();
        let named: Vec<String> = holders
            .map(|(check, units)| format!("{check} ({units})"))
            .collect();
        match named.is_empty() {
            true => Ok(()),
            false => write!(f, "; most of it had {}", named.join(", ")),
        }
    }
}

/// Those that ran short less than `lately` ago.
pub(super) fn pools(ledger: &Ledger, lately: Duration) -> impl Iterator<Item = PoolShort> + use<> {
    let readings = ledger.pools().read().into_iter();
    let short = readings.filter(move |reading| reading.since_short.is_some_and(|since| since < lately));
    short.map(|reading| PoolShort {
        holders: reading
            .holders
            .iter()
            .map(|(check, _)| CheckId::new(check))
            .collect(),
        reading,
    })
}
