//! Distinguishes leaked descriptors from those that were merely between two owners during a scan.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Scan;
use super::process::{Descriptor, count};

/// How long descriptors must have been open and unaccounted before they count as leaked.
const MIN_LEAK_AGE: Duration = Duration::from_secs(5);
/// Number of scans that must agree.
const MIN_SCANS: u32 = 3;
/// Scans closer together than this count as one.
const MIN_SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// Tracks unaccounted descriptors across scans.
#[derive(Debug, Default)]
pub(super) struct LeakDetector {
    /// `None` while every descriptor has an owner.
    streak: Option<Streak>,
    leaked: u64,
}

/// A sequence of scans each of which found unaccounted descriptors.
#[derive(Debug)]
struct Streak {
    started: Instant,
    last: Instant,
    scans: u32,
    /// The smallest number of unaccounted descriptors in any scan.
    fewest: u64,
    /// Descriptors that were open in every scan.
    persistent: BTreeSet<Descriptor>,
}

impl LeakDetector {
    /// Adds the result of a scan at `now`, given `own` descriptors of the host itself; returns the number of leaked
    /// descriptors.
    pub(super) fn observe(&mut self, now: Instant, found: Scan, own: u64) -> u64 {
        if found.unaccounted == 0 {
            *self = Self::default();
            return 0;
        }
        let Some(streak) = &mut self.streak else {
            self.streak = Some(Streak::begin(now, found));
            return self.leaked;
        };
        if now.duration_since(streak.last) < MIN_SCAN_INTERVAL {
            return self.leaked;
        }
        streak.add(now, &found);
        if streak.is_confirmed(now) {
            self.leaked = streak.fewest.min(count(&streak.persistent).saturating_sub(own));
            // More may have leaked since the streak began.
            self.streak = Some(Streak::begin(now, found));
        }
        self.leaked
    }
}

impl Streak {
    fn begin(now: Instant, found: Scan) -> Self {
        Self {
            started: now,
            last: now,
            scans: 1,
            fewest: found.unaccounted,
            persistent: found.open,
        }
    }

    fn add(&mut self, now: Instant, found: &Scan) {
        self.last = now;
        self.scans += 1;
        self.fewest = self.fewest.min(found.unaccounted);
        self.persistent
            .retain(|descriptor| found.open.contains(descriptor));
    }

    fn is_confirmed(&self, now: Instant) -> bool {
        self.scans >= MIN_SCANS && now.duration_since(self.started) >= MIN_LEAK_AGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two descriptors belong to the host itself.
    const OWN: u64 = 2;

    fn open(targets: &[&str]) -> Scan {
        let own = [("0", "/dev/null"), ("1", "/dev/null")];
        let others = targets.iter().map(|target| ("7", *target));
        let open = own.into_iter().chain(others);
        Scan {
            open: open
                .map(|(number, target)| (number.into(), target.into()))
                .collect(),
            unaccounted: targets.len().try_into().unwrap(),
        }
    }

    /// The result after scans at this interval.
    fn detected(apart: Duration, scans: impl IntoIterator<Item = Scan>) -> u64 {
        let (mut detector, mut now, mut leaked) = (LeakDetector::default(), Instant::now(), 0);
        for scan in scans {
            leaked = detector.observe(now, scan, OWN);
            now += apart;
        }
        leaked
    }

    #[test]
    fn a_descriptor_that_stays_is_a_leak_until_it_is_closed() {
        let second = Duration::from_secs(1);
        let stays = || std::iter::repeat_with(|| open(&["socket:[7]", "socket:[8]"]));
        assert_eq!(detected(second, stays().take(5)), 0);
        assert_eq!(detected(second, stays().take(6)), 2);
        assert_eq!(detected(second, stays().take(20)), 2);
        assert_eq!(detected(second, stays().take(18).chain([open(&[])])), 0);
        assert_eq!(detected(second * 60, stays().take(3)), 2);
    }

    #[test]
    fn short_lived_descriptors_are_no_leak_however_often_they_are_scanned() {
        for apart in [1, 100, 1_000, 10_000, 60_000].map(Duration::from_millis) {
            let come_and_go = (0..100).map(|number| open(&[format!("socket:[{number}]").as_str()]));
            assert_eq!(detected(apart, come_and_go), 0, "{apart:?}");
        }
    }

    #[test]
    fn many_scans_at_the_same_moment_confirm_nothing() {
        let stays = std::iter::repeat_with(|| open(&["socket:[7]"])).take(1_000);
        assert_eq!(detected(Duration::from_millis(1), stays), 0);
    }

    #[test]
    fn a_leak_among_short_lived_descriptors_is_found() {
        let scans = (0..10).map(|number| open(&["socket:[7]", format!("/spool/{number}").as_str()]));
        assert_eq!(detected(Duration::from_secs(1), scans), 1);
    }

    #[test]
    fn one_scan_without_unaccounted_descriptors_restarts_the_detection() {
        let leak = || open(&["socket:[7]"]);
        let scans = (0..50).map(|number| if number % 4 == 3 { open(&[]) } else { leak() });
        assert_eq!(detected(Duration::from_secs(1), scans), 0);
    }

    /// The result after scans at these times, in milliseconds.
    fn detected_at(scans: impl IntoIterator<Item = (u64, Scan)>) -> u64 {
        let (mut detector, started) = (LeakDetector::default(), Instant::now());
        let observe = |_, (at, scan)| detector.observe(started + Duration::from_millis(at), scan, OWN);
        scans.into_iter().fold(0, observe)
    }

    #[test]
    fn it_takes_three_scans_a_second_apart_and_five_seconds() {
        let one = |times: &[u64]| detected_at(times.iter().map(|at| (*at, open(&["socket:[7]"]))));
        assert_eq!(one(&[0, 6_000]), 0);
        assert_eq!(one(&[0, 900, 5_000]), 0);
        assert_eq!(one(&[0, 4_500, 5_200]), 0);
        assert_eq!(one(&[0, 4_000, 4_999]), 0);
        assert_eq!(one(&[0, 4_000, 5_000]), 1);
    }

    #[test]
    fn no_more_are_leaked_than_the_best_scan_found() {
        let found = |at, unaccounted| {
            let open = open(&["a", "b", "c"]);
            (at, Scan { unaccounted, ..open })
        };
        assert_eq!(detected_at([found(0, 3), found(2_000, 1), found(5_000, 2)]), 1);
    }

    #[test]
    fn descriptors_first_seen_by_the_confirming_scan_are_confirmed_five_seconds_later() {
        let found = |at, targets| (at, open(targets));
        let (one, two) = (["a"].as_slice(), ["a", "b"].as_slice());
        let scans = [found(0, one), found(2_000, one), found(5_000, two)];
        assert_eq!(detected_at(scans), 1);
        let scans = [
            found(0, one),
            found(2_000, one),
            found(5_000, two),
            found(7_000, two),
            found(10_000, two),
        ];
        assert_eq!(detected_at(scans), 2);
    }

    #[test]
    fn a_leak_that_grows_is_counted_anew() {
        let scans = (0..20).map(|number| {
            if number < 8 {
                open(&["a"])
            } else {
                open(&["a", "b", "c"])
            }
        });
        assert_eq!(detected(Duration::from_secs(1), scans), 3);
    }
}
