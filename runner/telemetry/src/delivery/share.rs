//! The share of each check in the queued data.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

/// Owners that are tracked for one request: those with the most bytes. The others are negligible.
const MAX_OWNERS: usize = 3;

/// The owner of data: a check, or the runner itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u64);

impl Owner {
    /// The runner itself, whose data is never shed.
    pub(crate) const RUNNER: Self = Self(0);

    /// The owner for a check, by its id.
    #[must_use]
    pub fn of_check(check: &str) -> Self {
        let digest = Sha256::digest(check);
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first).max(1))
    }
}

/// The main owners of a request, with their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share(Vec<(Owner, u32)>);

impl Share {
    /// From the bytes of each owner in a request.
    pub(super) fn new(bytes: &HashMap<Owner, u32>) -> Self {
        let mut owners: Vec<(Owner, u32)> = bytes.iter().map(|(owner, bytes)| (*owner, *bytes)).collect();
        owners.retain(|(owner, _)| *owner != Owner::RUNNER);
        owners.sort_by_key(|(owner, bytes)| (std::cmp::Reverse(*bytes), *owner));
        owners.truncate(MAX_OWNERS);
        Self(owners)
    }
}

/// Queued bytes by tracked owner.
#[derive(Debug, Default)]
pub(super) struct Shares {
    waiting: HashMap<Owner, u64>,
    /// Of all owners.
    total: u64,
    /// The number of checks.
    checks: u64,
}

impl Shares {
    /// Sets the number of checks among which space is shared.
    pub(super) fn set_check_count(&mut self, checks: usize) {
        self.checks = u64::try_from(checks).unwrap_or(u64::MAX);
    }

    /// Adds a queued request.
    pub(super) fn add(&mut self, bytes: u64, share: &Share) {
        self.total += bytes;
        for (owner, bytes) in &share.0 {
            *self.waiting.entry(*owner).or_default() += u64::from(*bytes);
        }
    }

    /// Removes a queued request.
    pub(super) fn remove(&mut self, bytes: u64, share: &Share) {
        self.total = self.total.saturating_sub(bytes);
        for (owner, bytes) in &share.0 {
            if let Some(waiting) = self.waiting.get_mut(owner) {
                *waiting = waiting.saturating_sub(u64::from(*bytes));
                if *waiting == 0 {
                    self.waiting.remove(owner);
                }
            }
        }
    }

    /// Whether an owner exceeds an equal share of all checks by more than a quarter.
    pub(super) fn is_over_share(&self, owner: Owner) -> bool {
        let waiting = self.waiting.get(&owner).copied().unwrap_or_default();
        u128::from(waiting) * u128::from(self.checks) * 4 > u128::from(self.total) * 5
    }

    /// Whether a main owner of a request exceeds its share.
    pub(super) fn has_over_share(&self, share: &Share) -> bool {
        share.0.iter().any(|(owner, _)| self.is_over_share(*owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(bytes: &[(&str, u32)]) -> Share {
        let bytes = bytes
            .iter()
            .map(|(check, bytes)| (Owner::of_check(check), *bytes));
        Share::new(&bytes.collect())
    }

    #[test]
    fn a_check_is_over_its_share_when_it_has_more_than_its_part_of_all() {
        let mut shares = Shares::default();
        shares.set_check_count(4);
        shares.add(100, &share(&[("loud", 80), ("a", 10), ("b", 10)]));
        assert!(shares.is_over_share(Owner::of_check("loud")));
        assert!(!shares.is_over_share(Owner::of_check("a")) && !shares.is_over_share(Owner::RUNNER));
        shares.remove(100, &share(&[("loud", 80), ("a", 10), ("b", 10)]));
        assert!(shares.waiting.is_empty() && shares.total == 0);
    }

    #[test]
    fn checks_that_have_the_same_are_not_over_and_one_alone_never_is() {
        let mut shares = Shares::default();
        shares.set_check_count(2);
        shares.add(20, &share(&[("a", 10), ("b", 10)]));
        assert!(!shares.is_over_share(Owner::of_check("a")) && !shares.is_over_share(Owner::of_check("b")));
        let mut alone = Shares::default();
        alone.set_check_count(1);
        alone.add(10, &share(&[("a", 10)]));
        assert!(!alone.is_over_share(Owner::of_check("a")));
    }

    #[test]
    fn the_three_checks_that_fill_a_request_most_are_remembered_and_the_runner_is_not() {
        let filled = [
            (Owner::RUNNER, 900),
            (Owner::of_check("a"), 10),
            (Owner::of_check("b"), 40),
        ];
        let filled = filled
            .into_iter()
            .chain([(Owner::of_check("c"), 30), (Owner::of_check("d"), 20)]);
        let most = [("b", 40), ("c", 30), ("d", 20)].map(|(check, bytes)| (Owner::of_check(check), bytes));
        assert_eq!(Share::new(&filled.collect()), Share(most.into()));
    }
}
