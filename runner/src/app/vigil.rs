//! What says that the runner lives: the heartbeat, and what systemd hears.

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Host;
use crate::liveness::{Component, Impact, Thread, runtime};
use crate::publish::Board;
use crate::telemetry::{Exposition, HeartbeatReading};
use crate::watch::health::{Health, Limits, Sources};
use crate::watch::heartbeat::{self, ExportState, Record, Vitals};
use crate::watch::systemd;

const HEARTBEAT: Component = Component {
    name: "heartbeat",
    impact: Impact::Readiness,
};
const WATCHDOG: Component = Component {
    name: "watchdog",
    impact: Impact::Readiness,
};

/// What tells of the runner; ends when dropped. Each has a thread: a systemd that takes no notices holds up whoever
/// tells it, and must not hold up the heartbeat.
pub(super) struct Vigil {
    fed: Option<Thread>,
    beats: Option<Thread>,
}

impl Vigil {
    /// Asks both for their end, and does not wait for it.
    pub(super) fn stop(&self) {
        self.fed.iter().chain(&self.beats).for_each(Thread::stop);
    }
}

/// Starts to judge the runner, and to tell of it where somebody wants to be told.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub(super) fn start(
    host: &Host,
    sources: Sources,
    settings: Option<heartbeat::Settings>,
    begin: &CancellationToken,
) -> io::Result<(Vigil, Health)> {
    let (board, exposition) = (sources.board.clone(), sources.exposition.clone());
    let health = Health::new(sources, Limits::default());
    let fed = match systemd::is_watching() {
        true => Some(feed(health.clone(), host, begin)?),
        false => None,
    };
    let (judge, reserve) = (health.clone(), host.reserve.clone());
    let beat = |settings: heartbeat::Settings| {
        let liveness = &host.settings().liveness;
        Thread::start(HEARTBEAT, liveness, runtime()?, begin, |stop| async move {
            let record = Record::default();
            let (read, interval) = (record.clone(), settings.cadence.interval);
            exposition.beating(move || HeartbeatReading {
                pings: read.pings(),
                last_success: read.report().last_success,
                interval,
            });
            let look = || vitals(&judge, &board, &exposition);
            heartbeat::run(&settings, look, &reserve, &record, stop.cancelled()).await;
        })
    };
    let vigil = Vigil {
        fed,
        beats: settings.map(beat).transpose()?,
    };
    Ok((vigil, health))
}

fn feed(health: Health, host: &Host, begin: &CancellationToken) -> io::Result<Thread> {
    let reserve = host.reserve.clone();
    let liveness = &host.settings().liveness;
    Thread::start(WATCHDOG, liveness, runtime()?, begin, |stop| async move {
        systemd::watchdog(|| health.check().is_alive(), &reserve, stop.cancelled()).await;
    })
}

pub(super) fn vitals(health: &Health, board: &Board, exposition: &Exposition) -> Vitals {
    let delivery = exposition.delivery();
    let every = delivery.as_ref().map(|delivery| delivery.expected_every);
    Vitals {
        verdicts: board.account().verdicts(),
        exports: delivery.and_then(|delivery| ExportState::of(&delivery.report)),
        sick: health.check().sickness(),
        pace: pace(board).max(every).unwrap_or_default(),
        is_draining: health.is_draining(),
    }
}

/// How long the check that runs most often is silent; of a cron expression, how long it is silent now.
fn pace(board: &Board) -> Option<Duration> {
    let mut most_often: Option<Duration> = None;
    board.each(|check, sign| {
        let now = || sign.patience.next.saturating_add(check.timeout);
        let pace = check.cadence.interval().unwrap_or_else(now);
        most_often = Some(most_often.map_or(pace, |known| known.min(pace)));
    });
    most_often
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use tokio::time::Instant;

    use super::*;
    use crate::publish::Restored;
    use crate::suite::{Cadence, Check, Cron};

    #[test]
    fn the_pace_is_that_of_the_check_that_runs_most_often_and_needs_no_calendar() {
        let cron = Cron::new("* * * * *", TimeZone::UTC, "UTC").unwrap();
        let minutely = Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            timeout: Duration::from_secs(5),
            ..Check::plain("minutely", Duration::from_secs(1))
        };
        let hourly = Check::plain("hourly", Duration::from_secs(3_600));
        let (board, checks) = (Board::default(), [minutely, hourly].map(Arc::new));
        board.keep(&checks, &mut Restored::default(), Instant::now());
        let looks = Cron::looks();
        let pace = pace(&board).unwrap().as_secs();
        assert!((5..=65).contains(&pace), "{pace} s");
        assert_eq!(Cron::looks(), looks);
    }
}
