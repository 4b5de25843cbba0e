//! How much of what waits is of which check.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

/// Owners that are remembered of one request: those that fill it most. What the others have in it does not matter.
const REMEMBERED: usize = 3;

/// Whose a frame is: a check's, or the runner's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u64);

impl Owner {
    /// The runner itself, whose frames make room for nobody.
    pub const RUNNER: Self = Self(0);

    /// A check, by its id.
    #[must_use]
    pub fn of(check: &str) -> Self {
        let digest = Sha256::digest(check);
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first).max(1))
    }
}

/// Who fills a request most, with their bytes in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share(Vec<(Owner, u32)>);

impl Share {
    /// Of the bytes that owners have in a request.
    pub(super) fn of(bytes: &HashMap<Owner, u32>) -> Self {
        let mut owners: Vec<(Owner, u32)> = bytes.iter().map(|(owner, bytes)| (*owner, *bytes)).collect();
        owners.retain(|(owner, _)| *owner != Owner::RUNNER);
        owners.sort_by_key(|(owner, bytes)| (std::cmp::Reverse(*bytes), *owner));
        owners.truncate(REMEMBERED);
        Self(owners)
    }
}

/// Bytes that wait, by owner, as far as they are remembered.
#[derive(Debug, Default)]
pub(super) struct Shares {
    held: HashMap<Owner, u64>,
    /// Of all owners.
    total: u64,
    /// Checks that there are.
    checks: u64,
}

impl Shares {
    /// So many checks share the room.
    pub(super) fn divide(&mut self, checks: usize) {
        self.checks = u64::try_from(checks).unwrap_or(u64::MAX);
    }

    /// A request of so many bytes waits.
    pub(super) fn add(&mut self, bytes: u64, share: &Share) {
        self.total += bytes;
        for (owner, bytes) in &share.0 {
            *self.held.entry(*owner).or_default() += u64::from(*bytes);
        }
    }

    /// It waits no longer.
    pub(super) fn remove(&mut self, bytes: u64, share: &Share) {
        self.total = self.total.saturating_sub(bytes);
        for (owner, bytes) in &share.0 {
            if let Some(held) = self.held.get_mut(owner) {
                *held = held.saturating_sub(u64::from(*bytes));
                if *held == 0 {
                    self.held.remove(owner);
                }
            }
        }
    }

    /// Whether an owner has a quarter more than what would be its part if all checks had the same.
    pub(super) fn is_over(&self, owner: Owner) -> bool {
        let held = self.held.get(&owner).copied().unwrap_or_default();
        u128::from(held) * u128::from(self.checks) * 4 > u128::from(self.total) * 5
    }

    /// Whether a request has much of an owner who has more than its part.
    pub(super) fn has_over(&self, share: &Share) -> bool {
        share.0.iter().any(|(owner, _)| self.is_over(*owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(bytes: &[(&str, u32)]) -> Share {
        let bytes = bytes.iter().map(|(check, bytes)| (Owner::of(check), *bytes));
        Share::of(&bytes.collect())
    }

    #[test]
    fn a_check_is_over_its_share_when_it_has_more_than_its_part_of_all() {
        let mut shares = Shares::default();
        shares.divide(4);
        shares.add(100, &share(&[("loud", 80), ("a", 10), ("b", 10)]));
        assert!(shares.is_over(Owner::of("loud")));
        assert!(!shares.is_over(Owner::of("a")) && !shares.is_over(Owner::RUNNER));
        shares.remove(100, &share(&[("loud", 80), ("a", 10), ("b", 10)]));
        assert!(shares.held.is_empty() && shares.total == 0);
    }

    #[test]
    fn checks_that_have_the_same_are_not_over_and_one_alone_never_is() {
        let mut shares = Shares::default();
        shares.divide(2);
        shares.add(20, &share(&[("a", 10), ("b", 10)]));
        assert!(!shares.is_over(Owner::of("a")) && !shares.is_over(Owner::of("b")));
        let mut alone = Shares::default();
        alone.divide(1);
        alone.add(10, &share(&[("a", 10)]));
        assert!(!alone.is_over(Owner::of("a")));
    }

    #[test]
    fn the_three_checks_that_fill_a_request_most_are_remembered_and_the_runner_is_not() {
        let filled = [(Owner::RUNNER, 900), (Owner::of("a"), 10), (Owner::of("b"), 40)];
        let filled = filled
            .into_iter()
            .chain([(Owner::of("c"), 30), (Owner::of("d"), 20)]);
        let most = [("b", 40), ("c", 30), ("d", 20)].map(|(check, bytes)| (Owner::of(check), bytes));
        assert_eq!(Share::of(&filled.collect()), Share(most.into()));
    }
}
