//! Suspects: owners whose data a collector refused, so that it is sent separately from now on, and the rate limit for
//! requests spent on finding them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::share::Owner;

/// How long data of a check is sent separately after its last refusal.
const SUSPECT_TTL: Duration = Duration::from_secs(10 * 60);
/// Maximum number of suspects; beyond it, the one refused longest ago is removed.
const MAX_SUSPECTS: usize = 64;
/// Maximum number of requests of a signal within [`WINDOW`] that are sent only because a refused one was split.
const MAX_SPLIT_REQUESTS: u32 = 120;
const WINDOW: Duration = Duration::from_secs(60);
/// Maximum number of checks named in the log within [`SUSPECT_TTL`]; the others are only counted.
const MAX_NAMED: u32 = 8;

/// The composition of a refused piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// Data of one check, or of several of which each is a suspect.
    Suspects,
    /// It includes data of a check that is not a suspect.
    Others,
}

/// The checks whose data the collector of one signal refused.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    refused: HashMap<Owner, Instant>,
    splits: RateWindow,
    named: RateWindow,
}

/// A rate limit: a count within a time window.
#[derive(Debug, Default)]
struct RateWindow {
    since: Option<Instant>,
    count: u32,
}

impl Suspects {
    /// Whether data of an owner is sent separately.
    pub(super) fn has(&self, owner: Owner) -> bool {
        self.refused.contains_key(&owner)
    }

    /// Whether no data was refused recently.
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }

    /// Removes owners whose data was not refused recently.
    pub(super) fn remove_expired(&mut self, now: Instant) {
        self.refused.retain(|_, refused| now - *refused < SUSPECT_TTL);
    }

    /// Records that data of this owner alone was refused; true if the log should name it.
    pub(super) fn record_refusal(&mut self, owner: Owner, now: Instant) -> bool {
        let is_new = self.refused.insert(owner, now).is_none();
        if self.refused.len() > MAX_SUSPECTS {
            let oldest = self.refused.iter().min_by_key(|(_, refused)| **refused);
            if let Some(owner) = oldest.map(|(owner, _)| *owner) {
                self.refused.remove(&owner);
            }
        }
        is_new && self.named.try_acquire(1, MAX_NAMED, SUSPECT_TTL, now)
    }

    /// Whether a refused piece may be sent again in halves. Splitting the data of known suspects uses at most half of
    /// the limit, so that it does not hide a check whose data is refused from now on.
    pub(super) fn may_split(&mut self, kind: PieceKind, now: Instant) -> bool {
        let limit = match kind {
            PieceKind::Suspects => MAX_SPLIT_REQUESTS / 2,
            PieceKind::Others => MAX_SPLIT_REQUESTS,
        };
        self.splits.try_acquire(2, limit, WINDOW, now)
    }
}

impl RateWindow {
    /// Counts `more`, unless that would exceed `limit` within `window`.
    fn try_acquire(&mut self, more: u32, limit: u32, window: Duration, now: Instant) -> bool {
        if self.since.is_none_or(|since| now - since >= window) {
            *self = Self {
                since: Some(now),
                count: 0,
            };
        }
        let is_free = self.count + more <= limit;
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
        Owner::of_check(&number.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_suspected_until_its_data_were_not_refused_for_ten_minutes() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        assert!(suspects.record_refusal(owner(1), now));
        suspects.remove_expired(now + SUSPECT_TTL - WINDOW);
        assert!(suspects.has(owner(1)));
        assert!(
            !suspects.record_refusal(owner(1), now + WINDOW),
            "it was named before"
        );
        suspects.remove_expired(now + SUSPECT_TTL);
        assert!(suspects.has(owner(1)));
        suspects.remove_expired(now + SUSPECT_TTL + WINDOW);
        assert!(suspects.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn few_checks_are_named_and_not_many_remembered() {
        let mut suspects = Suspects::default();
        let start = Instant::now();
        let named = (0..1000).filter(|number| {
            let after = Duration::from_millis(u64::try_from(*number).unwrap());
            suspects.record_refusal(owner(*number), start + after)
        });
        assert_eq!(named.count(), 8);
        assert_eq!(suspects.refused.len(), MAX_SUSPECTS);
        assert!(suspects.has(owner(999)) && !suspects.has(owner(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn dividing_has_a_limit_a_minute_and_known_suspects_take_half_of_it_at_most() {
        let mut suspects = Suspects::default();
        let now = Instant::now();
        let mut divided =
            |kind, at| std::iter::from_fn(|| suspects.may_split(kind, at).then_some(())).count();
        assert_eq!(divided(PieceKind::Suspects, now), 30);
        assert_eq!(divided(PieceKind::Others, now), 30);
        assert_eq!(divided(PieceKind::Others, now + WINDOW), 60);
    }
}
