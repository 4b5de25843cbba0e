mod checks;

use std::time::SystemTime;

use super::*;
use canary_net::ledger::Budget;
use canary_net::ledger::audit::InternalFds;
use canary_net::pool::{self, Claim, Pool};
use canary_run::publish::Restored;
use canary_sandbox::{ActivePoll, HostFunction};
use canary_suite::{Cadence, CheckId, Cron};
use canary_system::age::Since;
use canary_system::liveness::Impact;
use canary_telemetry::HostView;
use canary_telemetry::settings::{Process, resource};

use tokio::time::advance;

/// A runner whose components are driven by the test.
struct Runner {
    liveness: Registry,
    statuses: StatusStore,
    supervisor_status: SupervisorStatus,
    reloads: ReloadStatus,
    ledger: Arc<Ledger>,
    slow_polls: SlowPolls,
    health: Health,
    check: Arc<Check>,
}

fn runner() -> Runner {
    let check = Arc::new(Check::minimal("page", Duration::from_secs(10)));
    let statuses = StatusStore::default();
    statuses.apply_suite(
        std::slice::from_ref(&check),
        &mut Restored::default(),
        Instant::now(),
    );
    let liveness = Registry::default();
    let slow_polls = SlowPolls::default();
    let (supervisor_status, reloads) = (SupervisorStatus::new(&liveness), ReloadStatus::default());
    let ledger = Ledger::new(Budget::new(10));
    let reserve = InternalFds::default();
    let audit = Audit::disabled(&reserve);
    let settings = canary_telemetry::sample::settings();
    let view = HostView {
        ledger: Arc::clone(&ledger),
        audit: audit.clone(),
        internal_fds: reserve,
        secrets: Default::default(),
        alerts: None,
        streams: Default::default(),
        liveness: liveness.clone(),
    };
    let resource = resource(&settings, &Process::current("test".to_owned()));
    let sink = Box::new(std::io::sink());
    let (_, metrics, _) = canary_telemetry::start(&settings, resource, view, sink);
    let sources = Sources {
        statuses: statuses.clone(),
        supervisor_status: supervisor_status.clone(),
        state: State::none().0,
        reloads: reloads.clone(),
        ledger: Arc::clone(&ledger),
        audit,
        metrics,
        slow_polls: slow_polls.clone(),
        trust: TrustStore::default(),
        names: NameFiles::default(),
        alerts: None,
        liveness: liveness.clone(),
    };
    Runner {
        liveness,
        slow_polls,
        ledger,
        statuses,
        supervisor_status,
        reloads,
        health: Health::new(sources, Thresholds::default()),
        check,
    }
}

impl Runner {
    /// Codes of all issues.
    fn codes(&self) -> Vec<&'static str> {
        let issues = self.health.check().issues;
        issues.iter().map(HealthIssue::code).collect()
    }

    fn all_alive(&self) {
        self.supervisor_status.scheduler_alive();
        self.supervisor_status.workers_alive();
    }
}

async fn seconds(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_has_not_begun_is_not_ready_and_needs_no_restart() {
    let runner = runner();
    assert_eq!(runner.codes(), ["starting"]);
    assert!(runner.health.check().is_alive());
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
    assert!(runner.health.check().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_stalled_is_dead() {
    let runner = runner();
    runner.all_alive();
    seconds(4).await;
    runner.supervisor_status.workers_alive();
    assert_eq!(runner.codes(), [""; 0]);
    seconds(2).await;
    runner.supervisor_status.workers_alive();
    assert_eq!(runner.codes(), ["scheduler_stalled"]);
    assert!(!runner.health.check().is_alive());
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_shuts_down_starts_nothing_and_is_healthy() {
    let runner = runner();
    runner.all_alive();
    runner.supervisor_status.drain();
    seconds(60).await;
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_hangs_is_dead() {
    let runner = runner();
    runner.all_alive();
    let publishing = runner.supervisor_status.publishing();
    seconds(6).await;
    runner.supervisor_status.workers_alive();
    assert_eq!(runner.codes(), ["publisher_stalled"]);
    assert!(!runner.health.check().is_alive());
    drop(publishing);
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn saturated_workers_are_reported() {
    let runner = runner();
    runner.all_alive();
    seconds(4).await;
    runner.supervisor_status.scheduler_alive();
    assert_eq!(runner.codes(), ["workers_stalled"]);
    assert!(!runner.health.check().is_alive());
}

/// The issue's message, and whether liveness and the heartbeat fail with it, when a component with this impact is
/// stalled.
async fn fails_with(impact: Impact) -> (String, bool, bool) {
    let runner = runner();
    let _silent = runner.liveness.register("part", impact);
    seconds(6).await;
    runner.all_alive();
    assert_eq!(runner.codes(), ["component_stalled"]);
    let report = runner.health.check();
    (
        report.issues[0].to_string(),
        !report.is_alive(),
        report.unhealthy_reason().is_some(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_stalled_is_named_and_fails_what_depends_on_it() {
    let message = "`part` has made no progress for 6 s (starting)".to_owned();
    assert_eq!(
        fails_with(Impact::Readiness).await,
        (message.clone(), false, false)
    );
    assert_eq!(
        fails_with(Impact::Heartbeat).await,
        (message.clone(), false, true)
    );
    assert_eq!(fails_with(Impact::Liveness).await, (message, true, true));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_inconsistent_is_reported() {
    let runner = runner();
    runner.all_alive();
    runner.supervisor_status.record_accounting(false);
    assert_eq!(runner.codes(), ["account_uneven"]);
    assert!(runner.health.check().unhealthy_reason().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_got_no_descriptor_is_reported_for_a_minute() {
    let runner = runner();
    runner.all_alive();
    runner.supervisor_status.record_fd_exhausted();
    seconds(3).await;
    runner.all_alive();
    let report = runner.health.check();
    assert_eq!(runner.codes(), ["descriptors_short"]);
    assert!(report.is_alive() && report.unhealthy_reason().is_none());
    let message = report.issues.iter().map(ToString::to_string);
    let mut message =
        message.filter(|line| line.starts_with("runs fail for lack of descriptors, last 3 s ago: raise"));
    assert!(message.next().is_some(), "{report:?}");
    seconds(56).await;
    runner.all_alive();
    assert!(runner.codes().contains(&"descriptors_short"));
    for _ in 0..2 {
        seconds(1).await;
        runner.all_alive();
        assert!(!runner.codes().contains(&"descriptors_short"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_without_an_outcome_for_three_intervals_is_stale() {
    let runner = runner();
    seconds(30).await;
    runner.all_alive();
    assert_eq!(runner.codes(), [""; 0]);
    seconds(1).await;
    runner.all_alive();
    assert_eq!(runner.codes(), ["checks_stale"]);
    let report = runner.health.check();
    assert!(report.is_alive() && !report.is_ready());
    assert_eq!(
        report.unhealthy_reason().as_deref(),
        Some("no recent outcome of 1 check (page; longest 31 s)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_for_longer_than_it_can_is_dead() {
    let runner = runner();
    runner
        .statuses
        .schedule(&runner.check, Since::at(SystemTime::now()))
        .unwrap();
    runner.statuses.start(&runner.check.id);
    // The time-out, the delay between attempts, and the allowance for a busy machine.
    for wait in [10, 12] {
        seconds(wait).await;
        runner.all_alive();
        assert_eq!(runner.codes(), [""; 0]);
    }
    seconds(1).await;
    runner.all_alive();
    assert_eq!(runner.codes(), ["runs_overdue"]);
    assert!(!runner.health.check().is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_suite_that_was_refused_shows_until_a_better_one_is_in_force() {
    let runner = runner();
    runner.all_alive();
    runner
        .reloads
        .failed("a.yaml:1:1: no\nmore".to_owned(), SystemTime::now(), None);
    let report = runner.health.check();
    assert_eq!(runner.codes(), ["suite_refused"]);
    // The old suite is active.
    assert_eq!(report.unhealthy_reason(), None);
    assert!(report.issues.iter().any(|issue| {
        issue
            .to_string()
            .ends_with("keeping the current suite: a.yaml:1:1: no")
    }));
    let retry_at = Some(Instant::now() + Duration::from_millis(39_001));
    runner
        .reloads
        .failed("a.yaml: cannot be read".to_owned(), SystemTime::now(), retry_at);
    assert!(runner.health.check().issues.iter().any(|issue| {
        issue
            .to_string()
            .ends_with("a.yaml: cannot be read; retrying in 40 s")
    }));
    runner.reloads.succeeded(SystemTime::now());
    assert_eq!(runner.codes(), [""; 0]);
}

#[test]
fn many_checks_are_named_in_part() {
    let mut stale = AffectedChecks::default();
    for number in 0..12 {
        stale.add(
            &CheckId::new(&format!("c{number}")),
            Duration::from_secs(number),
            MAX_NAMED,
        );
    }
    assert_eq!(
        stale.to_string(),
        "12 checks (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ...; longest 11 s)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_goes_on_for_long_is_named_until_it_is_over() {
    let runner = runner();
    runner.reloads.started(Instant::now());
    for wait in [14, 1] {
        seconds(wait).await;
        runner.all_alive();
        assert_eq!(runner.codes(), [""; 0]);
    }
    seconds(1).await;
    runner.all_alive();
    assert_eq!(runner.codes(), ["reload_stalled"]);
    assert!(runner.health.check().is_alive());
    assert_eq!(runner.health.check().unhealthy_reason(), None);
    runner.reloads.succeeded(SystemTime::now());
    assert_eq!(runner.codes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_runs_short_is_named_with_those_that_have_most_of_it() {
    let runner = runner();
    runner.all_alive();
    let pool = Pool::new("things", pool::Limits::new(2));
    runner.ledger.pools().add(&pool);
    let _hog = pool.try_acquire(Claim::new("hog").units(2)).unwrap();
    assert_eq!(
        runner.codes(),
        [""; 0],
        "a full pool in which nobody waits is well used"
    );
    assert!(pool.try_acquire(Claim::new("other")).is_err());
    let found = runner.health.check();
    let pools: Vec<_> = found
        .issues
        .iter()
        .filter(|found| found.code() == "pool_short")
        .collect();
    assert_eq!(
        pools[0].to_string(),
        "pool `things` is exhausted: 2 of 2 in use, 0 waiting, 1 refused so far; largest users: hog (2)"
    );
    assert_eq!(pools[0].checks(), [CheckId::new("hog")]);
    assert!(!pools[0].is_fatal() && !pools[0].stops_heartbeat());
    seconds(59).await;
    runner.all_alive();
    assert!(runner.codes().contains(&"pool_short"));
    for _ in 0..2 {
        seconds(1).await;
        runner.all_alive();
        assert!(!runner.codes().contains(&"pool_short"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_fatal_issue_among_others_is_enough_for_a_restart() {
    let runner = runner();
    runner.all_alive();
    runner.reloads.set_watched(false);
    assert_eq!(runner.codes(), ["suite_unwatched"]);
    let report = runner.health.check();
    assert!(report.is_alive() && !report.is_ready() && report.unhealthy_reason().is_none());
    seconds(6).await;
    runner.supervisor_status.workers_alive();
    assert_eq!(runner.codes(), ["scheduler_stalled", "suite_unwatched"]);
    assert!(!runner.health.check().is_alive());
    runner.reloads.set_watched(true);
    assert_eq!(runner.codes(), ["scheduler_stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_held_a_worker_up_is_named_and_the_heartbeat_goes_on() {
    let runner = runner();
    runner.all_alive();
    for millis in [300, 550, 800, 1_050] {
        let poll = ActivePoll {
            id: (1, 1),
            check: CheckId::new("hog"),
            function: HostFunction::Guest,
            elapsed: Duration::from_millis(millis),
        };
        runner.slow_polls.record(vec![poll], Instant::now());
    }
    assert_eq!(runner.codes(), ["slow_poll"]);
    let report = runner.health.check();
    assert_eq!(report.issues[0].checks(), [CheckId::new("hog")]);
    assert!(report.is_alive() && report.unhealthy_reason().is_none());
}
