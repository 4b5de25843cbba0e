mod checks;

use std::time::SystemTime;

use super::*;
use crate::age::Since;
use crate::ledger::Budget;
use crate::ledger::audit::Reserve;
use crate::liveness::Impact;
use crate::pool::{self, Claim, Pool};
use crate::publish::Restored;
use crate::sandbox::{HostFunction, PollUnderWay};
use crate::suite::{Cadence, CheckId, Cron};
use crate::telemetry;
use crate::telemetry::HostView;
use crate::telemetry::settings::{Process, resource};

use tokio::time::advance;

/// A runner whose parts are there, and are worked by hand.
struct Runner {
    liveness: Registry,
    board: Board,
    pulse: Pulse,
    reloads: Reloads,
    ledger: Arc<Ledger>,
    slow_polls: SlowPolls,
    health: Health,
    check: Arc<Check>,
}

fn runner() -> Runner {
    let check = Arc::new(Check::plain("page", Duration::from_secs(10)));
    let board = Board::default();
    board.keep(
        std::slice::from_ref(&check),
        &mut Restored::default(),
        Instant::now(),
    );
    let liveness = Registry::default();
    let slow_polls = SlowPolls::default();
    let (pulse, reloads) = (Pulse::new(&liveness), Reloads::default());
    let ledger = Ledger::new(Budget::new(10));
    let reserve = Reserve::default();
    let audit = Audit::blind(&reserve);
    let settings = telemetry::sample::settings();
    let view = HostView {
        ledger: Arc::clone(&ledger),
        audit: audit.clone(),
        reserve,
        secrets: Default::default(),
        alerts: None,
        streams: Default::default(),
        liveness: liveness.clone(),
    };
    let resource = resource(&settings, &Process::current("test".to_owned()));
    let sink = Box::new(std::io::sink());
    let (_, exposition, _) = telemetry::start(&settings, resource, view, sink);
    let sources = Sources {
        board: board.clone(),
        pulse: pulse.clone(),
        state: State::none().0,
        reloads: reloads.clone(),
        ledger: Arc::clone(&ledger),
        audit,
        exposition,
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
        board,
        pulse,
        reloads,
        health: Health::new(sources, Limits::default()),
        check,
    }
}

impl Runner {
    /// The words of all complaints about what time does.
    fn words(&self) -> Vec<&'static str> {
        let complaints = self.health.check().complaints;
        complaints.iter().map(Complaint::word).collect()
    }

    fn turn(&self) {
        self.pulse.turn();
        self.pulse.work();
    }
}

async fn seconds(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_has_not_begun_is_not_ready_and_needs_no_restart() {
    let runner = runner();
    assert_eq!(runner.words(), ["starting"]);
    assert!(runner.health.check().is_alive());
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
    assert!(runner.health.check().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_come_round_is_dead() {
    let runner = runner();
    runner.turn();
    seconds(4).await;
    runner.pulse.work();
    assert_eq!(runner.words(), [""; 0]);
    seconds(2).await;
    runner.pulse.work();
    assert_eq!(runner.words(), ["scheduler_stalled"]);
    assert!(!runner.health.check().is_alive());
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_down_starts_nothing_and_is_well() {
    let runner = runner();
    runner.turn();
    runner.pulse.drain();
    seconds(60).await;
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_hangs_is_dead() {
    let runner = runner();
    runner.turn();
    let publishing = runner.pulse.publishing();
    seconds(6).await;
    runner.pulse.work();
    assert_eq!(runner.words(), ["publisher_stalled"]);
    assert!(!runner.health.check().is_alive());
    drop(publishing);
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn workers_that_come_to_nothing_else_are_told() {
    let runner = runner();
    runner.turn();
    seconds(4).await;
    runner.pulse.turn();
    assert_eq!(runner.words(), ["workers_stalled"]);
    assert!(!runner.health.check().is_alive());
}

/// What fails while `progress` is not reported: `/livez`, the heartbeat.
async fn fails_with(impact: Impact) -> (String, bool, bool) {
    let runner = runner();
    let _silent = runner.liveness.register("part", impact);
    seconds(6).await;
    runner.turn();
    assert_eq!(runner.words(), ["component_stalled"]);
    let checkup = runner.health.check();
    (
        checkup.complaints[0].to_string(),
        !checkup.is_alive(),
        checkup.sickness().is_some(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_stalled_is_named_and_fails_what_depends_on_it() {
    let told = "`part` has made no progress for 6 s (starting)".to_owned();
    assert_eq!(fails_with(Impact::Readiness).await, (told.clone(), false, false));
    assert_eq!(fails_with(Impact::Heartbeat).await, (told.clone(), false, true));
    assert_eq!(fails_with(Impact::Liveness).await, (told, true, true));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_does_not_come_out_even_is_told() {
    let runner = runner();
    runner.turn();
    runner.pulse.balance(false);
    assert_eq!(runner.words(), ["account_uneven"]);
    assert!(runner.health.check().sickness().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_got_no_descriptor_is_told_for_a_minute() {
    let runner = runner();
    runner.turn();
    runner.pulse.starve();
    seconds(3).await;
    runner.turn();
    let checkup = runner.health.check();
    assert_eq!(runner.words(), ["descriptors_short"]);
    assert!(checkup.is_alive() && checkup.sickness().is_none());
    let told = checkup.complaints.iter().map(ToString::to_string);
    let mut told =
        told.filter(|line| line.starts_with("runs get no descriptor, the last one 3 s ago: raise"));
    assert!(told.next().is_some(), "{checkup:?}");
    seconds(56).await;
    runner.turn();
    assert!(runner.words().contains(&"descriptors_short"));
    for _ in 0..2 {
        seconds(1).await;
        runner.turn();
        assert!(!runner.words().contains(&"descriptors_short"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_of_which_nothing_is_heard_for_three_intervals_is_stale() {
    let runner = runner();
    seconds(30).await;
    runner.turn();
    assert_eq!(runner.words(), [""; 0]);
    seconds(1).await;
    runner.turn();
    assert_eq!(runner.words(), ["checks_stale"]);
    let checkup = runner.health.check();
    assert!(checkup.is_alive() && !checkup.is_ready());
    assert_eq!(
        checkup.sickness().as_deref(),
        Some("nothing was heard of 1 check (page; 31 s at most)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_for_longer_than_it_can_is_dead() {
    let runner = runner();
    runner
        .board
        .schedule(&runner.check, Since::at(SystemTime::now()))
        .unwrap();
    runner.board.start(&runner.check.id);
    // The time-out, the wait between attempts, and what a busy machine may add.
    for wait in [10, 12] {
        seconds(wait).await;
        runner.turn();
        assert_eq!(runner.words(), [""; 0]);
    }
    seconds(1).await;
    runner.turn();
    assert_eq!(runner.words(), ["runs_overdue"]);
    assert!(!runner.health.check().is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_suite_that_was_refused_shows_until_a_better_one_is_in_force() {
    let runner = runner();
    runner.turn();
    runner
        .reloads
        .failed("a.yaml:1:1: no\nmore".to_owned(), SystemTime::now(), None);
    let checkup = runner.health.check();
    assert_eq!(runner.words(), ["suite_refused"]);
    // The old suite is at work.
    assert_eq!(checkup.sickness(), None);
    assert!(checkup.complaints.iter().any(|complaint| {
        complaint
            .to_string()
            .ends_with("the old one goes on: a.yaml:1:1: no")
    }));
    let retry_at = Some(Instant::now() + Duration::from_millis(39_001));
    runner
        .reloads
        .failed("a.yaml: cannot be read".to_owned(), SystemTime::now(), retry_at);
    assert!(runner.health.check().complaints.iter().any(|complaint| {
        complaint
            .to_string()
            .ends_with("a.yaml: cannot be read; this may pass, and the suite is read again in 40 s")
    }));
    runner.reloads.succeeded(SystemTime::now());
    assert_eq!(runner.words(), [""; 0]);
}

#[test]
fn many_checks_are_named_in_part() {
    let mut stale = Stale::default();
    for number in 0..12 {
        stale.add(
            &CheckId::new(&format!("c{number}")),
            Duration::from_secs(number),
            NAMED,
        );
    }
    assert_eq!(
        stale.to_string(),
        "12 checks (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ...; 11 s at most)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_goes_on_for_long_is_named_until_it_is_over() {
    let runner = runner();
    runner.reloads.started(Instant::now());
    for wait in [14, 1] {
        seconds(wait).await;
        runner.turn();
        assert_eq!(runner.words(), [""; 0]);
    }
    seconds(1).await;
    runner.turn();
    assert_eq!(runner.words(), ["reload_stalled"]);
    assert!(runner.health.check().is_alive());
    assert_eq!(runner.health.check().sickness(), None);
    runner.reloads.succeeded(SystemTime::now());
    assert_eq!(runner.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_runs_short_is_named_with_those_who_have_most_of_it() {
    let runner = runner();
    runner.turn();
    let pool = Pool::new("things", pool::Limits::of(2));
    runner.ledger.pools().add(&pool);
    let _hog = pool.try_acquire(Claim::by("hog").units(2)).unwrap();
    assert_eq!(
        runner.words(),
        [""; 0],
        "a full pool in which nobody waits is well used"
    );
    assert!(pool.try_acquire(Claim::by("other")).is_err());
    let found = runner.health.check();
    let short: Vec<_> = found
        .complaints
        .iter()
        .filter(|found| found.word() == "pool_short")
        .collect();
    assert_eq!(
        short[0].to_string(),
        "the pool `things` is short: 2 of 2 in use, 0 waiting, 1 refused so far; most of it had hog (2)"
    );
    assert_eq!(short[0].checks(), [CheckId::new("hog")]);
    assert!(!short[0].is_fatal() && !short[0].stops_heartbeat());
    seconds(59).await;
    runner.turn();
    assert!(runner.words().contains(&"pool_short"));
    for _ in 0..2 {
        seconds(1).await;
        runner.turn();
        assert!(!runner.words().contains(&"pool_short"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_fatal_complaint_among_others_is_enough_for_a_restart() {
    let runner = runner();
    runner.turn();
    runner.reloads.see(false);
    assert_eq!(runner.words(), ["suite_unwatched"]);
    let checkup = runner.health.check();
    assert!(checkup.is_alive() && !checkup.is_ready() && checkup.sickness().is_none());
    seconds(6).await;
    runner.pulse.work();
    assert_eq!(runner.words(), ["scheduler_stalled", "suite_unwatched"]);
    assert!(!runner.health.check().is_alive());
    runner.reloads.see(true);
    assert_eq!(runner.words(), ["scheduler_stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_held_a_worker_up_is_named_and_the_heartbeat_goes_on() {
    let runner = runner();
    runner.turn();
    for millis in [300, 550, 800, 1_050] {
        let poll = PollUnderWay {
            id: (1, 1),
            check: CheckId::new("hog"),
            function: HostFunction::Guest,
            elapsed: Duration::from_millis(millis),
        };
        runner.slow_polls.note(vec![poll], Instant::now());
    }
    assert_eq!(runner.words(), ["slow_poll"]);
    let checkup = runner.health.check();
    assert_eq!(checkup.complaints[0].checks(), [CheckId::new("hog")]);
    assert!(checkup.is_alive() && checkup.sickness().is_none());
}
