//! What tells a leak from a descriptor that happened to be between two owners when somebody looked.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::Reading;
use super::process::{Descriptor, count};

/// How long descriptors must have been open, and nobody's.
const SETTLING: Duration = Duration::from_secs(5);
/// Readings that must have found that.
const READINGS: u32 = 3;
/// Readings that are closer together see the same moment.
const APART: Duration = Duration::from_secs(1);

/// Remembers what was found.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Absent while everything has an owner.
    spell: Option<Spell>,
    leaked: u64,
}

/// A time in which every reading found some that nobody owned.
#[derive(Debug)]
struct Spell {
    began: Instant,
    last: Instant,
    readings: u32,
    /// The smallest count of them.
    least: u64,
    /// Open in every reading.
    stayed: BTreeSet<Descriptor>,
}

impl Judge {
    /// Takes what was found `now`, beside `own` descriptors of the host; says how many are leaked.
    pub(super) fn see(&mut self, now: Instant, found: Reading, own: u64) -> u64 {
        if found.unaccounted == 0 {
            *self = Self::default();
            return 0;
        }
        let Some(spell) = &mut self.spell else {
            self.spell = Some(Spell::begin(now, found));
            return self.leaked;
        };
        if now.duration_since(spell.last) < APART {
            return self.leaked;
        }
        spell.add(now, &found);
        if spell.is_settled(now) {
            self.leaked = spell.least.min(count(&spell.stayed).saturating_sub(own));
            // More may have come since it began.
            self.spell = Some(Spell::begin(now, found));
        }
        self.leaked
    }
}

impl Spell {
    fn begin(now: Instant, found: Reading) -> Self {
        Self {
            began: now,
            last: now,
            readings: 1,
            least: found.unaccounted,
            stayed: found.open,
        }
    }

    fn add(&mut self, now: Instant, found: &Reading) {
        self.last = now;
        self.readings += 1;
        self.least = self.least.min(found.unaccounted);
        self.stayed.retain(|descriptor| found.open.contains(descriptor));
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.readings >= READINGS && now.duration_since(self.began) >= SETTLING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two are the host's own.
    const OWN: u64 = 2;

    fn open(targets: &[&str]) -> Reading {
        let own = [("0", "/dev/null"), ("1", "/dev/null")];
        let others = targets.iter().map(|target| ("7", *target));
        let open = own.into_iter().chain(others);
        Reading {
            open: open
                .map(|(number, target)| (number.into(), target.into()))
                .collect(),
            unaccounted: targets.len().try_into().unwrap(),
        }
    }

    /// What is said in the end of readings this far apart.
    fn judged(apart: Duration, readings: impl IntoIterator<Item = Reading>) -> u64 {
        let (mut judge, mut now, mut leaked) = (Judge::default(), Instant::now(), 0);
        for reading in readings {
            leaked = judge.see(now, reading, OWN);
            now += apart;
        }
        leaked
    }

    #[test]
    fn a_descriptor_that_stays_is_a_leak_until_it_is_closed() {
        let second = Duration::from_secs(1);
        let stays = || std::iter::repeat_with(|| open(&["socket:[7]", "socket:[8]"]));
        assert_eq!(judged(second, stays().take(5)), 0);
        assert_eq!(judged(second, stays().take(6)), 2);
        assert_eq!(judged(second, stays().take(20)), 2);
        assert_eq!(judged(second, stays().take(18).chain([open(&[])])), 0);
        assert_eq!(judged(second * 60, stays().take(3)), 2);
    }

    #[test]
    fn those_that_come_and_go_are_none_however_often_somebody_looks() {
        for apart in [1, 100, 1_000, 10_000, 60_000].map(Duration::from_millis) {
            let come_and_go = (0..100).map(|number| open(&[format!("socket:[{number}]").as_str()]));
            assert_eq!(judged(apart, come_and_go), 0, "{apart:?}");
        }
    }

    #[test]
    fn many_who_look_at_the_same_moment_settle_nothing() {
        let stays = std::iter::repeat_with(|| open(&["socket:[7]"])).take(1_000);
        assert_eq!(judged(Duration::from_millis(1), stays), 0);
    }

    #[test]
    fn a_leak_among_those_that_come_and_go_is_found() {
        let readings = (0..10).map(|number| open(&["socket:[7]", format!("/spool/{number}").as_str()]));
        assert_eq!(judged(Duration::from_secs(1), readings), 1);
    }

    #[test]
    fn one_reading_in_which_everything_has_an_owner_begins_anew() {
        let leak = || open(&["socket:[7]"]);
        let readings = (0..50).map(|number| if number % 4 == 3 { open(&[]) } else { leak() });
        assert_eq!(judged(Duration::from_secs(1), readings), 0);
    }

    /// What is said in the end of readings at these milliseconds.
    fn judged_at(readings: impl IntoIterator<Item = (u64, Reading)>) -> u64 {
        let (mut judge, began) = (Judge::default(), Instant::now());
        let see = |_, (at, reading)| judge.see(began + Duration::from_millis(at), reading, OWN);
        readings.into_iter().fold(0, see)
    }

    #[test]
    fn it_takes_three_readings_a_second_apart_and_five_seconds() {
        let one = |times: &[u64]| judged_at(times.iter().map(|at| (*at, open(&["socket:[7]"]))));
        assert_eq!(one(&[0, 6_000]), 0);
        assert_eq!(one(&[0, 900, 5_000]), 0);
        assert_eq!(one(&[0, 4_500, 5_200]), 0);
        assert_eq!(one(&[0, 4_000, 4_999]), 0);
        assert_eq!(one(&[0, 4_000, 5_000]), 1);
    }

    #[test]
    fn no_more_are_leaked_than_the_fairest_reading_found() {
        let found = |at, unaccounted| {
            let open = open(&["a", "b", "c"]);
            (at, Reading { unaccounted, ..open })
        };
        assert_eq!(judged_at([found(0, 3), found(2_000, 1), found(5_000, 2)]), 1);
    }

    #[test]
    fn what_came_with_the_reading_that_settled_is_settled_five_seconds_later() {
        let found = |at, targets| (at, open(targets));
        let (one, two) = (["a"].as_slice(), ["a", "b"].as_slice());
        let readings = [found(0, one), found(2_000, one), found(5_000, two)];
        assert_eq!(judged_at(readings), 1);
        let readings = [
            found(0, one),
            found(2_000, one),
            found(5_000, two),
            found(7_000, two),
            found(10_000, two),
        ];
        assert_eq!(judged_at(readings), 2);
    }

    #[test]
    fn a_leak_that_grows_is_counted_anew() {
        let readings = (0..20).map(|number| match number < 8 {
            true => open(&["a"]),
            false => open(&["a", "b", "c"]),
        });
        assert_eq!(judged(Duration::from_secs(1), readings), 3);
    }
}
