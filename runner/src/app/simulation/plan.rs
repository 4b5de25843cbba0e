//! How often things happen in a world.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::secs;
use crate::suite::{Cadence, Cron, Repetition, Scope, Times, Window};

const HOUR: u64 = 60 * 60;
const ZONE: &str = "Europe/Berlin";
const ALL_DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

#[derive(Debug)]
pub(super) struct Plan {
    /// Of checks, in seconds.
    pub(super) intervals: [u64; 4],
    /// Of checks that go by the time of day, in Berlin.
    pub(super) schedule: Option<&'static str>,
    /// From one export of metrics to the next.
    pub(super) exports: Duration,
    /// From one reminder of an alert to the next.
    pub(super) remind: &'static str,
    /// From one look at the world to the next.
    pub(super) look: Duration,
    /// Time goes to the next due time in one go, for so long at most.
    pub(super) leap: Option<Duration>,
    /// How long a window of maintenance is open.
    pub(super) longest_window: Duration,
}

/// Minutes, in which something always fails.
pub(super) const BUSY: Plan = Plan {
    intervals: [3, 7, 11, 15],
    schedule: None,
    exports: Duration::from_secs(30),
    remind: "3m",
    look: Duration::from_secs(1),
    leap: None,
    longest_window: Duration::from_secs(90),
};

/// Days and months, in which something fails now and then.
pub(super) const YEAR: Plan = Plan {
    intervals: [HOUR / 4, HOUR, 3 * HOUR, 12 * HOUR],
    schedule: None,
    exports: Duration::from_secs(6 * HOUR),
    remind: "12h",
    look: LEAP,
    leap: Some(LEAP),
    longest_window: Duration::from_secs(2 * HOUR),
};
/// Hours, in which checks go by the time of day, and that is set again and again.
pub(super) const DAYTIME: Plan = Plan {
    schedule: Some("* * * * *"),
    ..BUSY
};
const LEAP: Duration = Duration::from_secs(HOUR / 4);

impl Plan {
    /// Of checks that go by the time of day, if there are any.
    pub(super) fn cron(&self) -> Option<Cadence> {
        let zone = TimeZone::get(ZONE).expect("a zone");
        let cron = Cron::new(self.schedule?, zone, ZONE).expect("an expression");
        Some(Cadence::Cron(Arc::new(cron)))
    }

    /// The time in which each check ran.
    pub(super) fn all_ran(&self) -> Duration {
        secs(self.intervals[3])
    }

    /// One window that opens each day, and others once within two hours or two months from `noon`, for one check or all.
    pub(super) fn windows(
        &self,
        names: &[&str],
        random: &mut fastrand::Rng,
        noon: SystemTime,
    ) -> Vec<Window> {
        let longest = self.longest_window;
        let daily = Times::Repeating(Repetition {
            days: ALL_DAYS.to_vec(),
            at: match self.leap {
                // Clocks are changed then, twice a year.
                Some(_) => Time::constant(2, 30, 0, 0),
                None => Time::constant(13, 10, 0, 0),
            },
            lasts: longest,
            zone: TimeZone::get(ZONE).expect("a zone"),
        });
        let once = (0..4).map(|number| {
            let checks = match random.bool() {
                true => Some([names[random.usize(..names.len())].into()].into()),
                false => None,
            };
            let scope = Scope {
                checks,
                ..Scope::default()
            };
            let from = longest * random.u32(..80);
            let times = Times::Once {
                from: noon + from,
                lasts: longest.mul_f64(random.f64()),
            };
            Window::new(&format!("once {number}"), scope, times)
        });
        once.chain([Window::new("daily", Scope::default(), daily)])
            .collect()
    }
}
