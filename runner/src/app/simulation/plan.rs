//! Plans: how often things happen in a world.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::secs;
use canary_suite::{Cadence, Cron, ProcessEnvironment, Repetition, Scope, Times, Window};

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

/// The receivers of alerts in a simulation, in the settings' YAML.
const NOTIFIERS: &str = "notifiers:
  chat: { type: slack, url: 'http://127.0.0.1/', timeout: 5s }
  pager: { type: slack, url: 'http://127.0.0.1/', timeout: 5s, statuses: [degraded, down, unknown] }";

#[derive(Debug)]
pub(super) struct Plan {
    /// Intervals of checks in seconds.
    pub(super) intervals: [u64; 4],
    /// Cron expression of checks, in Berlin.
    pub(super) schedule: Option<&'static str>,
    /// Interval between exports of metrics.
    pub(super) exports: Duration,
    /// Settings of alerts besides the notifiers.
    pub(super) alerts: &'static str,
    /// Time between observations of the world.
    pub(super) poll_interval: Duration,
    /// Maximum time to advance at once towards the next due time.
    pub(super) leap: Option<Duration>,
    /// Maximum length of a maintenance window.
    pub(super) longest_window: Duration,
}

/// Minutes in which something always fails.
pub(super) const BUSY: Plan = Plan {
    intervals: [3, 7, 11, 15],
    schedule: None,
    exports: Duration::from_secs(30),
    alerts: "repeat_interval: 3m",
    poll_interval: Duration::from_secs(1),
    leap: None,
    longest_window: Duration::from_secs(90),
};

/// Days and months in which something fails now and then.
pub(super) const YEAR: Plan = Plan {
    intervals: [HOUR / 4, HOUR, 3 * HOUR, 12 * HOUR],
    schedule: None,
    exports: Duration::from_secs(6 * HOUR),
    alerts: "repeat_interval: 12h",
    poll_interval: LEAP,
    leap: Some(LEAP),
    longest_window: Duration::from_secs(2 * HOUR),
};
/// Hours in which checks have cron expressions, and the clock is set again and again.
pub(super) const DAYTIME: Plan = Plan {
    schedule: Some("* * * * *"),
    ..BUSY
};
const LEAP: Duration = Duration::from_secs(HOUR / 4);

impl Plan {
    /// The cadence of checks with a cron expression, if there are any.
    pub(super) fn cron(&self) -> Option<Cadence> {
        let zone = TimeZone::get(ZONE).expect("a zone");
        let cron = Cron::new(self.schedule?, zone, ZONE).expect("an expression");
        Some(Cadence::Cron(Arc::new(cron)))
    }

    /// The time within which every check runs.
    pub(super) fn all_ran(&self) -> Duration {
        secs(self.intervals[3])
    }

    /// The settings of alerts, to receivers that are replaced by simulated ones.
    pub(super) fn alert_settings(&self) -> canary_alert::Settings {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let alerts = format!("{}\n{NOTIFIERS}", self.alerts);
        let lines: String = alerts.lines().map(|line| format!("  {line}\n")).collect();
        write!(file, "alerts:\n{lines}").unwrap();
        let environment = ProcessEnvironment;
        let mut read = canary_settings::File::read(file.path(), &environment);
        let settings = canary_alert::settings::read(read.alerts, &environment, &mut read.report);
        read.report.finish(settings).unwrap()
    }

    /// One daily window, and others once within two hours or two months from `noon`, for one check or all.
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
                // Daylight saving time begins and ends then.
                Some(_) => Time::constant(2, 30, 0, 0),
                None => Time::constant(13, 10, 0, 0),
            },
            duration: longest,
            zone: TimeZone::get(ZONE).expect("a zone"),
        });
        let once = (0..4).map(|number| {
            let checks = if random.bool() {
                Some([names[random.usize(..names.len())].into()].into())
            } else {
                None
            };
            let scope = Scope {
                checks,
                ..Scope::default()
            };
            let from = longest * random.u32(..80);
            let times = Times::Once {
                from: noon + from,
                duration: longest.mul_f64(random.f64()),
            };
            Window::new(&format!("once {number}"), scope, times)
        });
        once.chain([Window::new("daily", Scope::default(), daily)])
            .collect()
    }
}
