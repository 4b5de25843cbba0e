//! The backoff between the attempts of a run.

use std::time::Duration;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The backoff after `attempts` attempts: doubled each time up to 2 s, with half jitter, so that checks that failed at
/// the same time do not retry at the same time. `random` is in `0.0..1.0`.
pub(super) fn backoff(attempts: u32, random: f64) -> Duration {
    let doubled = FIRST_BACKOFF
        .saturating_mul(1 << attempts.saturating_sub(1).min(8))
        .min(MAX_BACKOFF);
    doubled / 2 + (doubled / 2).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_bound() {
        let longest: Vec<_> = (1..=7)
            .map(|attempts| backoff(attempts, 1.0).as_millis())
            .collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn at_least_half_of_the_backoff_remains_for_any_random_value() {
        assert_eq!(backoff(2, 0.0), Duration::from_millis(100));
        assert_eq!(backoff(u32::MAX, 0.0), Duration::from_secs(1));
    }
}
