//! Whose data a collector refused, so that the next time they go apart from those of others, and how much may be spent
//! on finding that out.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::share::Owner;

/// How long a check goes apart after its data were last refused.
const SUSPECTED: Duration = Duration::from_secs(10 * 60);
/// Checks that are remembered; beyond them, the one that was refused longest ago is forgotten.
const MAX_SUSPECTS: usize = 64;
/// Requests of one signal that go out in [`WINDOW`] only because something was refused and has to be divided.
const MAX_EXTRA: u32 = 120;
const WINDOW: Duration = Duration::from_secs(60);
/// Checks that are named in the log in [`SUSPECTED`]; the others are counted only.
const MAX_NAMED: u32 = 8;

/// What a piece that was refused is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Data of one check, or of several of which each was refused alone before.
    Suspects,
    /// Data of a check that may be without fault are in it.
    Others,
}

/// The checks whose data one signal's collector refused.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    refused: HashMap<Owner, Instant>,
    extra: Count,
    named: Count,
}

/// How often something happened since a moment.
#[derive(Debug, Default)]
struct Count {
    since: Option<Instant>,
    count: u32,
}

impl Suspects {
    /// Whether data of an owner go apart from those of others.
    pub(super) fn has(&self, owner: Owner) -> bool {
        self.refused.contains_key(&owner)
    }

    /// Whether nobody's data were refused lately.
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }

    /// Forgets those whose data were not refused for a while.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.refused.retain(|_, refused| now - *refused < SUSPECTED);
    }

    /// Data of this owner alone were refused; true when the log should name it.
    pub(super) fn note(&mut self, owner: Owner, now: Instant) -> bool {
        let is_new = self.refused.insert(owner, now).is_none();
        if self.refused.len() > MAX_SUSPECTS {
            let oldest = self.refused.iter().min_by_key(|(_, refused)| **refused);
            if let Some(owner) = oldest.map(|(owner, _)| *owner) {
                self.refused.remove(&owner);
            }
        }
        is_new && self.named.take(1, MAX_NAMED, SUSPECTED, now)
    }

    /// Whether a piece that was refused may go again as two. To find out which data of known suspects are refused, half
    /// of what may be spent is used at most, so that they do not hide a check whose data are refused from now on.
    pub(super) fn may_divide(&mut self, mix: Mix, now: Instant) -> bool {
        let most = match mix {
            Mix::Suspects => MAX_EXTRA / 2,
            Mix::Others => MAX_EXTRA,
        };
        self.extra.take(2, most, WINDOW, now)
    }
}

impl Count {
    /// Counts `more`, unless that would be more than `most` within `window`.
    fn take(&mut self, more: u32, most: u32, window: Duration, now: Instant) -> bool {
        if self.since.is_none_or(|since| now - since >= window) {
            *self = Self {
                since: Some(now),
                count: 0,
            };
        }
        let is_free = self.count + more <= most;
        if is_free {
            self.count += more;
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(number: usize) -> Owner {
        Owner::of(&number.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_suspected_until_its_data_were_not_refused_for_ten_minutes() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        assert!(suspects.note(owner(1), now));
        suspects.forget_old(now + SUSPECTED - WINDOW);
        assert!(suspects.has(owner(1)));
        assert!(!suspects.note(owner(1), now + WINDOW), "it was named before");
        suspects.forget_old(now + SUSPECTED);
        assert!(suspects.has(owner(1)));
        suspects.forget_old(now + SUSPECTED + WINDOW);
        assert!(suspects.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn few_checks_are_named_and_not_many_remembered() {
        let mut suspects = Suspects::default();
        let start = Instant::now();
        let named = (0..1000).filter(|number| {
            let after = Duration::from_millis(u64::try_from(*number).unwrap());
            suspects.note(owner(*number), start + after)
        });
        assert_eq!(named.count(), 8);
        assert_eq!(suspects.refused.len(), MAX_SUSPECTS);
        assert!(suspects.has(owner(999)) && !suspects.has(owner(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn dividing_has_a_limit_a_minute_and_known_suspects_take_half_of_it_at_most() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        let mut divided = |mix, at| std::iter::from_fn(|| suspects.may_divide(mix, at).then_some(())).count();
        assert_eq!(divided(Mix::Suspects, now), 30);
        assert_eq!(divided(Mix::Others, now), 30);
        assert_eq!(divided(Mix::Others, now + WINDOW), 60);
    }
}
