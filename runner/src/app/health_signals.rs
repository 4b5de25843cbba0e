//! External health signals: the heartbeat and systemd's watchdog.

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Host;
use canary_run::publish::StatusStore;
use canary_system::liveness::{Component, Impact, Thread, runtime};
use canary_telemetry::{HeartbeatStats, MetricsHandle};
use canary_watch::health::{Health, Sources, Thresholds};
use canary_watch::heartbeat::{self, ExportState, HealthInput, PingStats};
use canary_watch::systemd;

const HEARTBEAT: Component = Component {
    name: "heartbeat",
    impact: Impact::Readiness,
};
const WATCHDOG: Component = Component {
    name: "watchdog",
    impact: Impact::Readiness,
};

/// The threads that signal the runner's health to the outside; they stop when dropped. Each has its own, because a
/// systemd that does not read its socket blocks the watchdog and must not block the heartbeat.
pub(super) struct HealthSignals {
    watchdog: Option<Thread>,
    heartbeat: Option<Thread>,
}

impl HealthSignals {
    /// Requests both to stop, without waiting for it.
    pub(super) fn stop(&self) {
        self.watchdog.iter().chain(&self.heartbeat).for_each(Thread::stop);
    }
}

/// Starts health checking, and the signals that are configured.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub(super) fn start(
    host: &Host,
    sources: Sources,
    settings: Option<heartbeat::Settings>,
    begin: &CancellationToken,
) -> io::Result<(HealthSignals, Health)> {
    let (statuses, metrics) = (sources.statuses.clone(), sources.metrics.clone());
    let health = Health::new(sources, Thresholds::default());
    let watchdog = if systemd::watchdog_enabled() {
        Some(start_watchdog(health.clone(), host, begin)?)
    } else {
        None
    };
    let (heartbeat_health, internal_fds) = (health.clone(), host.internal_fds.clone());
    let beat = |settings: heartbeat::Settings| {
        let liveness = &host.settings().liveness;
        Thread::start(HEARTBEAT, liveness, runtime()?, begin, |stop| async move {
            let stats = PingStats::default();
            let (read, interval) = (stats.clone(), settings.cadence.interval);
            metrics.set_heartbeat_source(move || HeartbeatStats {
                pings: read.pings(),
                last_success: read.report().last_success,
                interval,
            });
            let input = || health_input(&heartbeat_health, &statuses, &metrics);
            heartbeat::run(&settings, input, &internal_fds, &stats, stop.cancelled()).await;
        })
    };
    let signals = HealthSignals {
        watchdog,
        heartbeat: settings.map(beat).transpose()?,
    };
    Ok((signals, health))
}

fn start_watchdog(health: Health, host: &Host, begin: &CancellationToken) -> io::Result<Thread> {
    let internal_fds = host.internal_fds.clone();
    let liveness = &host.settings().liveness;
    Thread::start(WATCHDOG, liveness, runtime()?, begin, |stop| async move {
        systemd::watchdog(|| health.check().is_alive(), &internal_fds, stop.cancelled()).await;
    })
}

pub(super) fn health_input(health: &Health, statuses: &StatusStore, metrics: &MetricsHandle) -> HealthInput {
    let delivery = metrics.delivery_status();
    let every = delivery.as_ref().map(|delivery| delivery.expected_every);
    HealthInput {
        verdicts: statuses.total_account().verdicts(),
        exports: delivery.and_then(|delivery| ExportState::from_report(&delivery.report)),
        unhealthy_reason: health.check().unhealthy_reason(),
        expected_interval: expected_interval(statuses).max(every).unwrap_or_default(),
        is_draining: health.is_draining(),
    }
}

/// The shortest expected time between two runs of any check; for a cron expression, the time until its next run.
fn expected_interval(statuses: &StatusStore) -> Option<Duration> {
    let mut most_often: Option<Duration> = None;
    statuses.for_each(|check, check_liveness| {
        let now = || check_liveness.limits.next_due.saturating_add(check.timeout);
        let expected_interval = check.cadence.interval().unwrap_or_else(now);
        most_often = Some(most_often.map_or(expected_interval, |known| known.min(expected_interval)));
    });
    most_often
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use tokio::time::Instant;

    use super::*;
    use canary_run::publish::Restored;
    use canary_suite::{Cadence, Check, Cron};

    #[test]
    fn the_expected_interval_is_that_of_the_check_that_runs_most_often_and_needs_no_calendar() {
        let cron = Cron::new("* * * * *", TimeZone::UTC, "UTC").unwrap();
        let minutely = Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            timeout: Duration::from_secs(5),
            ..Check::minimal("minutely", Duration::from_secs(1))
        };
        let hourly = Check::minimal("hourly", Duration::from_secs(3_600));
        let (statuses, checks) = (StatusStore::default(), [minutely, hourly].map(Arc::new));
        statuses.apply_suite(&checks, &mut Restored::default(), Instant::now());
        let lookups = Cron::lookups();
        let expected_interval = expected_interval(&statuses).unwrap().as_secs();
        assert!((5..=65).contains(&expected_interval), "{expected_interval} s");
        assert_eq!(Cron::lookups(), lookups);
    }
}
