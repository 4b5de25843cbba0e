//! What a run used, was denied, and failed at by its own fault.

use std::collections::BTreeMap;

use canary_record::RecordUsage;
use canary_record::quota::{Denies, QuotaKind, QuotaUsage};
use canary_record::trace::ClosedBy;

/// Why a check, and not its target, is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnFault {
    /// It was denied something that its verdict may depend on: a destination or a name that is not granted, or a
    /// quota other than those that deny [`Denies::Recording`].
    Refused,
    /// What it asked for is impossible or cannot be known: see [`Usage::own_failures`].
    Unworkable,
}

/// What a run used, was denied, and failed at by its own fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was used of the quotas. Over several attempts: sums for quotas that count over an attempt, peaks for the
    /// others.
    pub used: QuotaUsage,
    /// Connect attempts that ended, by error code; `None` for those that succeeded.
    pub opened: BTreeMap<Option<&'static str>, u64>,
    /// Connections that were closed, by who did it.
    pub closed: BTreeMap<ClosedBy, u64>,
    /// Denials, by quota.
    pub denials: BTreeMap<QuotaKind, u64>,
    /// Destinations and names that the grants denied.
    pub ungranted: u64,
    /// Failures of what the check itself asked for: its source address, its proxy, an address family that a literal
    /// address in the suite does not belong to, or a rule about a part of the response that was not read.
    pub own_failures: u64,
    /// Descriptors that the guest left open and the host closed.
    pub reclaimed: u64,
    /// The size of the run's record, and what was cut from it, over all attempts.
    pub record: RecordUsage,
}

impl Usage {
    /// Adds the usage of a further attempt.
    pub fn absorb(&mut self, other: &Self) {
        self.used.absorb(&other.used);
        add(&mut self.opened, &other.opened);
        add(&mut self.closed, &other.closed);
        add(&mut self.denials, &other.denials);
        self.ungranted += other.ungranted;
        self.own_failures += other.own_failures;
        self.reclaimed += other.reclaimed;
    }

    /// Why a failing verdict says nothing about the target because the check itself failed. This is the only place
    /// where that is decided.
    #[must_use]
    pub fn own_fault(&self) -> Option<OwnFault> {
        let mut kinds = self.denials.keys();
        let was_refused = self.ungranted > 0 || kinds.any(|kind| kind.denies() != Denies::Recording);
        if was_refused {
            Some(OwnFault::Refused)
        } else {
            (self.own_failures > 0).then_some(OwnFault::Unworkable)
        }
    }

    /// What was used of a quota, in its unit.
    #[must_use]
    pub fn used_of(&self, kind: QuotaKind) -> u64 {
        if kind == QuotaKind::Record {
            self.record.bytes
        } else {
            self.used.of(kind)
        }
    }

    /// Sets the final size of the record; what did not fit counts as denied.
    pub fn note_record(&mut self, record: RecordUsage) {
        self.record = record;
        if record.denied > 0 {
            self.denials.insert(QuotaKind::Record, record.denied);
        }
    }
}

fn add<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *sums.entry(*key).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Usage with distinct values derived from `unit`, with keys that only some usages have.
    fn usage(unit: u64, kind: QuotaKind, by: ClosedBy) -> Usage {
        Usage {
            used: QuotaUsage {
                sockets_peak: unit,
                connections: unit + 2,
                cpu: Duration::from_secs(unit + 7),
                ..QuotaUsage::default()
            },
            opened: [(None, unit + 9), (Some("refused"), unit + 10)].into(),
            closed: [(by, unit + 11)].into(),
            denials: [(kind, unit + 12)].into(),
            ungranted: unit + 13,
            own_failures: unit + 14,
            reclaimed: unit + 15,
            record: RecordUsage::default(),
        }
    }

    #[test]
    fn of_several_attempts_what_is_counted_is_added_and_of_peaks_the_highest_stays() {
        let small = usage(10, QuotaKind::Cpu, ClosedBy::Guest);
        let large = usage(100, QuotaKind::Memory, ClosedBy::Peer);
        let both = Usage {
            used: QuotaUsage {
                sockets_peak: 100,
                connections: 114,
                cpu: Duration::from_secs(124),
                ..QuotaUsage::default()
            },
            opened: [(None, 128), (Some("refused"), 130)].into(),
            closed: [(ClosedBy::Guest, 21), (ClosedBy::Peer, 111)].into(),
            denials: [(QuotaKind::Cpu, 22), (QuotaKind::Memory, 112)].into(),
            ungranted: 136,
            own_failures: 138,
            reclaimed: 140,
            record: RecordUsage::default(),
        };
        for (first, second) in [(&small, &large), (&large, &small)] {
            let mut sum = first.clone();
            sum.absorb(second);
            assert_eq!(sum, both);
        }
    }

    #[test]
    fn a_check_is_at_fault_where_its_verdict_may_hang_on_what_it_was_refused() {
        let denied = |kind| Usage {
            denials: [(kind, 1)].into(),
            ..Usage::default()
        };
        let ungranted = Usage {
            ungranted: 1,
            ..Usage::default()
        };
        let failed = Usage {
            own_failures: 1,
            ..Usage::default()
        };
        let mut of_both = denied(QuotaKind::Record);
        of_both.denials.insert(QuotaKind::Sockets, 1);
        for (usage, expected) in [
            (Usage::default(), None),
            (denied(QuotaKind::LogLines), None),
            (denied(QuotaKind::Record), None),
            (denied(QuotaKind::Sockets), Some(OwnFault::Refused)),
            (of_both, Some(OwnFault::Refused)),
            (ungranted, Some(OwnFault::Refused)),
            (failed, Some(OwnFault::Unworkable)),
        ] {
            assert_eq!(usage.own_fault(), expected, "{usage:?}");
        }
    }

    #[test]
    fn what_the_record_had_no_room_for_is_denied_and_what_was_only_cut_is_not() {
        for (denied, denials) in [(0, [].into()), (3, [(QuotaKind::Record, 3)].into())] {
            let record = RecordUsage {
                bytes: 7,
                cut: 5,
                denied,
                cut_bytes: 9,
            };
            let mut usage = Usage::default();
            usage.note_record(record);
            assert_eq!((usage.record, usage.denials), (record, denials));
        }
    }
}
