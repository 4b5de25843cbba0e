//! Several checks of which nothing is heard, or that go on for too long.

use super::*;

impl Runner {
    /// These checks in place of the one.
    fn of(names: impl Iterator<Item = usize>, interval: Duration) -> (Self, Vec<Arc<Check>>) {
        let runner = runner();
        let checks = names.map(|name| Arc::new(Check::plain(&name.to_string(), interval)));
        let checks: Vec<_> = checks.collect();
        runner
            .board
            .keep(&checks, &mut Restored::default(), Instant::now());
        (runner, checks)
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_runs_every_second_is_not_stale_before_five_seconds() {
    let (runner, _) = Runner::of(0..1, Duration::from_secs(1));
    seconds(5).await;
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
    seconds(1).await;
    runner.turn();
    assert_eq!(runner.words(), ["checks_stale"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_by_the_time_of_day_is_stale_after_three_due_times_however_far_apart_they_are() {
    for (text, stale_after) in [
        ("* * * * *", Some(300)),
        ("*/5 * * * *", Some(1_260)),
        ("0 0 1 1 *", None),
    ] {
        let (runner, checks) = Runner::of(0..1, Duration::from_secs(1));
        let cron = Cron::new(text, jiff::tz::TimeZone::UTC, "UTC").unwrap();
        let check = Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            ..checks[0].as_ref().clone()
        };
        let checks = [Arc::new(check)];
        runner
            .board
            .keep(&checks, &mut Restored::default(), Instant::now());
        // Two due times may pass, whenever in a minute it is now.
        seconds(stale_after.map_or(10 * 24 * 60 * 60, |after| after * 2 / 5)).await;
        runner.turn();
        assert_eq!(runner.words(), [""; 0], "{text}");
        if let Some(after) = stale_after {
            seconds(after).await;
            runner.turn();
            assert_eq!(runner.words(), ["checks_stale"], "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_checks_are_named_of_those_that_are_overdue_or_stale() {
    let (runner, checks) = Runner::of(0..12, Duration::from_secs(10));
    for check in &checks {
        runner
            .board
            .schedule(check, Since::at(SystemTime::now()))
            .unwrap();
        runner.board.start(&check.id);
    }
    seconds(31).await;
    runner.turn();
    let complaints = runner.health.check().complaints;
    let named: Vec<_> = complaints
        .iter()
        .map(|complaint| (complaint.word(), complaint.checks().len()))
        .collect();
    assert_eq!(named, [("runs_overdue", 10), ("checks_stale", 10)]);
}

#[tokio::test(start_paused = true)]
async fn to_judge_checks_by_the_time_of_day_needs_no_calendar() {
    let (runner, checks) = Runner::of(0..3, Duration::from_secs(1));
    let cron = Arc::new(Cron::new("0 0 29 2 *", jiff::tz::TimeZone::UTC, "UTC").unwrap());
    let checks = checks.iter().map(|check| {
        Arc::new(Check {
            cadence: Cadence::Cron(Arc::clone(&cron)),
            ..check.as_ref().clone()
        })
    });
    let checks: Vec<_> = checks.collect();
    runner
        .board
        .keep(&checks, &mut Restored::default(), Instant::now());
    seconds(60).await;
    runner.turn();
    let looks = Cron::looks();
    assert_eq!(runner.words(), [""; 0]);
    assert_eq!(Cron::looks(), looks);
}
