//! A collector that refuses the data of one check.

use super::fair::root;
use super::pieces::names;
use super::*;
use crate::delivery::envelope::Envelope;

fn fixture(folder: Option<&Path>) -> Fixture {
    Fixture::with(
        folder,
        64 << 20,
        Envelope::new(&Default::default(), &Default::default()),
    )
}

/// Sends everything to a collector that refuses each request with data that `is_bad` selects; returns what it accepted
/// and the number of requests.
fn send(fixture: &mut Fixture, is_bad: impl Fn(&str) -> bool) -> (Vec<String>, usize) {
    let (mut taken, mut requests) = (Vec::new(), 0);
    fixture.store.close_batches();
    while let Some((id, request)) = fixture.send(Signal::Traces) {
        requests += 1;
        let names = names(&request);
        let answer = if names.iter().any(|name| is_bad(name)) {
            refused()
        } else {
            taken.extend(names);
            ExportResult::accepted()
        };
        fixture.store.complete(Signal::Traces, id, answer);
    }
    (taken, requests)
}

fn checks(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("check {number}")).collect()
}

fn run_all(fixture: &mut Fixture, checks: &[String]) {
    for check in checks {
        fixture.store.append(Signal::Traces, &root(check, 100));
    }
}

#[tokio::test(start_paused = true)]
async fn data_of_one_check_that_are_refused_cost_the_other_checks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(folder.path()));
    let checks = checks(100);
    let is_bad = |name: &str| name == "check 17";
    let mut requests = Vec::new();
    for _ in 0..300 {
        run_all(&mut fixture, &checks);
        let (taken, sent) = send(&mut fixture, is_bad);
        assert_eq!(taken.len(), 99);
        requests.push(sent);
        advance(DELAY).await;
    }
    assert!(requests[0] <= 16, "{}", requests[0]);
    assert!(requests[1..].iter().all(|sent| *sent == 2), "{requests:?}");
    let report = fixture.report(Signal::Traces);
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::Rejected, 300)]));
    assert_eq!((report.rejected_items, report.dead_letters), (300, 300));
    assert_eq!(report.failing_for, None);
    assert_eq!(
        fixture.notices(),
        ["the collector rejected traces of check `check 17`, dropping them: no"]
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_check_only_the_span_that_is_refused_is_dropped() {
    let mut fixture = fixture(None);
    for _ in 0..3 {
        run_all(&mut fixture, &checks(3));
    }
    let spans = ["good", "bad", "good"]
        .map(|name| pieces::span(name, 10))
        .concat();
    fixture.append(&spans);
    let (taken, _) = send(&mut fixture, |name| name == "bad");
    assert_eq!(taken.len(), 11);
    assert_eq!(fixture.report(Signal::Traces).rejected_items, 1);
}

#[tokio::test(start_paused = true)]
async fn several_checks_that_are_refused_at_every_run_hide_no_other() {
    let mut fixture = fixture(None);
    let checks = checks(100);
    for second in 0..180 {
        run_all(&mut fixture, &checks);
        let is_bad = |name: &str| {
            let number: usize = name.strip_prefix("check ").unwrap().parse().unwrap();
            // Another is refused as well from each twentieth second on.
            number < 4 + second / 20
        };
        let (taken, _) = send(&mut fixture, is_bad);
        assert_eq!(taken.len(), 96 - second / 20, "{second}");
        advance(DELAY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_refuses_everything_gets_two_requests_for_one_and_a_hundred_and_twenty_a_minute() {
    let mut fixture = fixture(None);
    let checks = checks(100);
    for _ in 0..5 {
        let mut sent = 0;
        for _ in 0..60 {
            run_all(&mut fixture, &checks);
            sent += send(&mut fixture, |_| true).1;
            advance(DELAY).await;
        }
        assert!(sent <= 2 * 60 + 120, "{sent}");
    }
    let report = fixture.report(Signal::Traces);
    assert_eq!((report.waiting, report.rejected_items), (0, 5 * 60 * 100));
    assert!(report.failing_for > Some(Duration::from_secs(290)), "{report:?}");
    assert!(fixture.notices().len() <= 9);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_goes_away_in_between_gets_the_rest_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(folder.path()));
    run_all(&mut fixture, &checks(8));
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, refused());
    let first = names(&fixture.answer(Signal::Traces, ExportResult::accepted()));
    fixture.answer(Signal::Traces, away());
    let (rest, _) = send(&mut fixture, |_| false);
    let mut all = [first, rest].concat();
    all.sort();
    assert_eq!(all, checks(8));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_takes_all_requests_and_rejects_all_that_is_in_them_is_failing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(folder.path()));
    let rejects = |rejected| ExportResult::Accepted {
        rejected,
        message: "too old".to_owned(),
    };
    for rejected in [3, 1_000, 3] {
        run_all(&mut fixture, &checks(3));
        fixture.store.close_batches();
        fixture.answer(Signal::Traces, rejects(rejected));
        advance(Duration::from_secs(60)).await;
    }
    let report = fixture.report(Signal::Traces);
    assert_eq!(report.exports, BTreeMap::from([("rejected".into(), 3)]));
    assert_eq!(
        (report.rejected_items, report.waiting, report.dead_letters),
        (9, 0, 3)
    );
    assert_eq!(report.dropped[&DropReason::Rejected], 3);
    assert_eq!(
        (report.failing_for, report.last_success),
        (Some(Duration::from_secs(180)), None)
    );
    assert_eq!(
        fixture.notices(),
        ["the collector rejected some traces, dropping them: too old"]
    );

    run_all(&mut fixture, &checks(3));
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, rejects(2));
    let report = fixture.report(Signal::Traces);
    assert_eq!(
        (report.rejected_items, report.failing_for),
        (11, None),
        "one was taken"
    );
}
