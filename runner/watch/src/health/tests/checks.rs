//! Several checks that are stale or overdue.

use super::*;

impl Runner {
    /// A runner with these checks.
    fn with_checks(names: impl Iterator<Item = usize>, interval: Duration) -> (Self, Vec<Arc<Check>>) {
        let runner = runner();
        let checks = names.map(|name| Arc::new(Check::minimal(&name.to_string(), interval)));
        let checks: Vec<_> = checks.collect();
        runner
            .statuses
            .apply_suite(&checks, &mut Restored::default(), Instant::now());
        (runner, checks)
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_runs_every_second_is_not_stale_before_five_seconds() {
    let (runner, _) = Runner::with_checks(0..1, Duration::from_secs(1));
    seconds(5).await;
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
    seconds(1).await;
    runner.all_alive();
    assert_eq!(runner.codes(), ["checks_stale"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_by_the_time_of_day_is_stale_after_three_due_times_however_far_apart_they_are() {
    for (text, stale_after) in [
        ("* * * * *", Some(300)),
        ("*/5 * * * *", Some(1_260)),
        ("0 0 1 1 *", None),
    ] {
        let (runner, checks) = Runner::with_checks(0..1, Duration::from_secs(1));
        let cron = Cron::new(text, jiff::tz::TimeZone::UTC, "UTC").unwrap();
        let check = Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            ..checks[0].as_ref().clone()
        };
        let checks = [Arc::new(check)];
        runner
            .statuses
            .apply_suite(&checks, &mut Restored::default(), Instant::now());
        // Two due times may pass, at any moment of a minute.
        seconds(stale_after.map_or(10 * 24 * 60 * 60, |after| after * 2 / 5)).await;
        runner.all_alive();
        assert_eq!(runner.codes(), [""; 0], "{text}");
        if let Some(after) = stale_after {
            seconds(after).await;
            runner.all_alive();
            assert_eq!(runner.codes(), ["checks_stale"], "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_checks_are_named_of_those_that_are_overdue_or_stale() {
    let (runner, checks) = Runner::with_checks(0..12, Duration::from_secs(10));
    for check in &checks {
        runner
            .statuses
            .schedule(check, Since::at(SystemTime::now()))
            .unwrap();
        runner.statuses.start(&check.id);
    }
    seconds(31).await;
    runner.all_alive();
    let issues = runner.health.check().issues;
    let named: Vec<_> = issues
        .iter()
        .map(|issue| (issue.code(), issue.checks().len()))
        .collect();
    assert_eq!(named, [("runs_overdue", 10), ("checks_stale", 10)]);
}

#[tokio::test(start_paused = true)]
async fn health_of_checks_by_the_time_of_day_needs_no_calendar() {
    let (runner, checks) = Runner::with_checks(0..3, Duration::from_secs(1));
    let cron = Arc::new(Cron::new("0 0 29 2 *", jiff::tz::TimeZone::UTC, "UTC").unwrap());
    let checks = checks.iter().map(|check| {
        Arc::new(Check {
            cadence: Cadence::Cron(Arc::clone(&cron)),
            ..check.as_ref().clone()
        })
    });
    let checks: Vec<_> = checks.collect();
    runner
        .statuses
        .apply_suite(&checks, &mut Restored::default(), Instant::now());
    seconds(60).await;
    runner.all_alive();
    let calendar_lookups = Cron::lookups();
    assert_eq!(runner.codes(), [""; 0]);
    assert_eq!(Cron::lookups(), calendar_lookups);
}
