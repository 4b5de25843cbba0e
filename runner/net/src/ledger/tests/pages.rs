//! What a page records, and its limits.

use std::time::Duration;

use super::*;
use canary_record::trace::{CANCELLED, Phase, StepKind, Trail};
use canary_run::outcome::LogLevel;

const SECOND: Duration = Duration::from_secs(1);

fn fresh(quota: Quota) -> Arc<Page> {
    page(&Ledger::new(Budget::new(500)), quota)
}

fn step(page: &Arc<Page>, kind: StepKind, failed: Option<&'static str>) {
    let limit = tokio::time::Instant::now() + 60 * SECOND;
    page.begin_step(kind, limit)
        .end(failed.map(|word| (word, "a text".to_owned())));
}

fn connect(page: &Page) -> StepKind {
    StepKind::Connect {
        peer: page.recorder().peer(NOWHERE),
    }
}

fn errors(trail: &Trail) -> Vec<Option<&'static str>> {
    let error = |step: &canary_record::trace::Step| step.error.as_ref().map(|error| error.code);
    trail.steps.iter().map(error).collect()
}

#[test]
fn lookups_are_counted_and_stop_at_the_quota() {
    let page = fresh(Quota {
        lookups: 2,
        ..Quota::default()
    });
    assert!(page.count_lookup().is_ok() && page.count_lookup().is_ok());
    for _ in 0..2 {
        assert_eq!(page.count_lookup().unwrap_err().what, QuotaKind::Lookups);
    }
    let usage = page.usage();
    assert_eq!((usage.used.lookups, usage.denials[&QuotaKind::Lookups]), (2, 2));
}

#[test]
fn measurements_are_counted_and_stop_at_the_quota() {
    let page = fresh(Quota {
        measurements: 1,
        ..Quota::default()
    });
    assert_eq!(page.count_measurement(), Ok(()));
    assert_eq!(
        page.count_measurement().unwrap_err().what,
        QuotaKind::Measurements
    );
    let usage = page.usage();
    assert_eq!(
        (usage.used.measurements, usage.denials[&QuotaKind::Measurements]),
        (1, 1)
    );
}

#[test]
fn log_lines_are_kept_and_stop_at_the_quota() {
    let page = fresh(Quota {
        log_lines: 2,
        ..Quota::default()
    });
    for line in ["one", "two", "three", "four"] {
        page.log(
            LogLevel::Info,
            line.to_owned(),
            vec![("key".to_owned(), line.to_owned())],
        );
    }
    let usage = page.usage();
    assert_eq!(
        (usage.used.log_lines, usage.denials[&QuotaKind::LogLines]),
        (2, 2)
    );
    let shown: Vec<_> = page
        .take_log()
        .into_iter()
        .map(|line| format!("{} {}={}", line.message, line.fields[0].0, line.fields[0].1))
        .collect();
    assert_eq!(shown, ["one key=one", "two key=two"]);
    assert!(page.take_log().is_empty());
}

#[test]
fn a_line_that_the_record_has_no_room_for_is_left_out_with_all_its_bytes() {
    let page = fresh(Quota {
        record: 16,
        ..Quota::default()
    });
    page.log(
        LogLevel::Info,
        "four".to_owned(),
        vec![("a".to_owned(), "bc".to_owned())],
    );
    assert!(page.take_log().is_empty());
    let weight = u64::try_from(size_of::<canary_run::outcome::LogLine>()).unwrap();
    let usage = page.recorder().usage();
    assert_eq!((usage.bytes, usage.cut, usage.cut_bytes), (0, 1, weight + 7));
}

#[test]
fn a_line_has_four_kibibytes_with_its_fields() {
    let page = fresh(Quota::default());
    let fields = vec![("key".to_owned(), "b".repeat(2_000))];
    page.log(LogLevel::Info, "a".repeat(4_000), fields);
    let line = page.take_log().remove(0);
    let fields = &line.fields[0];
    let value = fields.1.strip_suffix('…').unwrap();
    let bytes = line.message.len() + fields.0.len() + value.len();
    assert_eq!((line.message.len(), bytes), (4_000, 4_096));
}

#[tokio::test(start_paused = true)]
async fn a_step_says_when_it_was_how_long_it_took_and_how_it_ended() {
    let page = fresh(Quota::default());
    tokio::time::advance(SECOND).await;
    let mut active_step = page.begin_step(StepKind::Instantiate, tokio::time::Instant::now() + 60 * SECOND);
    let span_id = active_step.span_id();
    *active_step.kind().unwrap() = connect(&page);
    tokio::time::advance(2 * SECOND).await;
    active_step.end(Some(("refused", "by the peer".to_owned())));
    let trail = page.take_trail();
    let step = &trail.steps[0];
    let error = step.error.as_ref().unwrap();
    assert!(matches!(step.kind, StepKind::Connect { .. }));
    assert_eq!((step.span_id, step.attempt), (span_id, 1));
    assert_eq!((step.started, step.took), (SECOND, 2 * SECOND));
    assert_eq!((error.code, &*error.message), ("refused", "by the peer"));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_dropped_ran_out_of_time_or_was_no_longer_wanted() {
    let page = fresh(Quota::default());
    for time in [1, 2, 3] {
        let step = page.begin_step(StepKind::Instantiate, tokio::time::Instant::now() + 2 * SECOND);
        tokio::time::advance(time * SECOND).await;
        drop(step);
    }
    let trail = page.take_trail();
    assert_eq!(
        errors(&trail),
        [Some(CANCELLED), Some("timeout"), Some("timeout")]
    );
    // Cancelled work does not count as time in the phase.
    assert_eq!((trail.phases.len(), trail.phases[0].took), (1, 5 * SECOND));
}

#[test]
fn times_of_a_phase_add_up_and_its_last_error_stays() {
    let page = fresh(Quota::default());
    page.record_phase(Phase::Resolve, SECOND, Some("nxdomain"));
    page.record_phase(Phase::Connect, SECOND, None);
    page.record_phase(Phase::Resolve, 2 * SECOND, Some("timeout"));
    page.record_phase(Phase::Resolve, 3 * SECOND, None);
    let phases = page.take_trail().phases;
    let times: Vec<_> = phases
        .iter()
        .map(|time| (time.phase, time.took.as_secs(), time.error))
        .collect();
    assert_eq!(
        times,
        [(Phase::Resolve, 6, Some("timeout")), (Phase::Connect, 1, None)]
    );
}

#[test]
fn connects_are_counted_by_how_they_ended_unless_no_socket_was_made() {
    let page = fresh(Quota::default());
    for failed in [None, None, Some("refused"), Some("quota")] {
        step(&page, connect(&page), failed);
    }
    step(&page, StepKind::Instantiate, None);
    assert_eq!(page.shortage(), None);
    step(&page, connect(&page), Some(Shortage::Descriptors.as_str()));
    step(&page, connect(&page), Some(Shortage::Dns.as_str()));
    assert_eq!(page.shortage(), Some(Shortage::Descriptors), "the first one");
    let opened: Vec<_> = page.usage().opened.into_iter().collect();
    assert_eq!(opened, [(None, 2), (Some("refused"), 1)]);
}

#[test]
fn a_trail_has_bounds_and_everything_is_counted_all_the_same() {
    let page = fresh(Quota {
        sockets: 0,
        ..Quota::default()
    });
    for _ in 0..40 {
        Lease::try_acquire(&page, NOWHERE).unwrap_err();
    }
    for _ in 0..131 {
        step(&page, StepKind::Instantiate, None);
    }
    assert_eq!(page.usage().denials[&QuotaKind::Sockets], 40);
    let trail = page.take_trail();
    assert_eq!((trail.denied.len(), trail.denied[31].limit), (32, 0));
    assert_eq!((trail.steps.len(), trail.steps_lost), (128, 3));

    let page = fresh(many());
    let leases: Vec<_> = (0..70)
        .map(|_| Lease::try_acquire(&page, NOWHERE).unwrap())
        .collect();
    drop(leases);
    assert_eq!(page.usage().closed[&ClosedBy::Guest], 70);
    assert_eq!(page.take_trail().connections.len(), 64);
}

#[test]
fn a_trail_takes_no_more_than_the_record_has_room_for() {
    let page = fresh(Quota {
        record: 16,
        ..Quota::default()
    });
    drop(Lease::try_acquire(&page, NOWHERE).unwrap());
    step(&page, StepKind::Instantiate, None);
    let trail = page.take_trail();
    assert_eq!(
        (trail.connections.len(), trail.steps.len(), trail.steps_lost),
        (0, 0, 1)
    );
    assert_eq!(page.usage().closed[&ClosedBy::Guest], 1);
}

#[test]
fn a_closed_connection_takes_its_size_of_the_record() {
    let page = fresh(Quota::default());
    drop(Lease::try_acquire(&page, NOWHERE).unwrap());
    let size = u64::try_from(size_of::<canary_record::trace::Connection>()).unwrap();
    assert_eq!(page.recorder().usage().bytes, size);
}

#[test]
fn a_page_ends_once() {
    let page = fresh(Quota::default());
    let _leases = [(); 2].map(|()| Lease::try_acquire(&page, NOWHERE).unwrap());
    assert_eq!(page.open(), 2);
    page.end(EndCause::Deadline);
    page.end(EndCause::Returned);
    assert_eq!((page.open(), page.usage().reclaimed), (0, 2));
    let host = ClosedBy::Host(EndCause::Deadline);
    assert_eq!(Vec::from_iter(page.usage().closed), [(host, 2)]);
}

#[test]
fn a_page_that_is_dropped_is_forgotten() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    assert_eq!(ledger.pages().len(), 1);
    drop(page);
    assert_eq!(ledger.pages().len(), 0);
}

#[test]
fn a_service_of_the_host_has_no_run() {
    let owner = PageOwner::service("dns");
    assert_eq!((owner.run, owner.attempt), (None, 1));
}

#[test]
fn what_the_grants_refuse_and_what_the_check_itself_gets_wrong_is_counted() {
    let page = page(&Ledger::new(Budget::new(1)), Quota::default());
    page.record_ungranted();
    page.record_ungranted();
    page.record_own_failure();
    let usage = page.usage();
    assert_eq!((usage.ungranted, usage.own_failures), (2, 1));
}
