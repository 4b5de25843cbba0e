//! Orderly and abrupt shutdown of delivery.

use super::*;

#[tokio::test]
async fn what_is_dropped_in_the_middle_goes_on_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(Behaviour::Silent).await;
    let fixture = start_to(&collector, &[Signal::Traces], Some(folder.path()));
    fixture.delivery.append(Signal::Traces, &frame("1"));
    until("an attempt", || collector.heads().len() == 1).await;
    fixture.delivery.append(Signal::Traces, &frame("2"));
    drop(fixture);

    collector.behave(Behaviour::Accept);
    let fixture = start_to(&collector, &[Signal::Traces], Some(folder.path()));
    fixture.delivery.append(Signal::Traces, &frame("3"));
    until("all", || spans(&collector).len() == 3).await;
    assert_eq!(spans(&collector), ["1", "2", "3"]);
}

#[tokio::test]
async fn finishing_sends_what_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(Behaviour::Accept).await;
    let fixture = start_to(
        &collector,
        &[Signal::Traces, Signal::Metrics],
        Some(folder.path()),
    );
    fixture.delivery.append(Signal::Traces, &frame("last"));
    fixture.delivery.push(Signal::Metrics, b"last".to_vec());
    let report = fixture.delivery.finish(soon()).await;
    assert_eq!(collector.accepted().len(), 2);
    assert!(
        report
            .signals
            .values()
            .all(|signal| signal.waiting == 0 && signal.dropped.is_empty())
    );
}

#[tokio::test]
async fn finishing_spools_what_cannot_be_sent_by_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(Behaviour::Silent).await;
    let fixture = start_to(&collector, &[Signal::Traces], Some(folder.path()));
    fixture.delivery.append(Signal::Traces, &frame("last"));
    let started = Instant::now();
    let report = fixture.delivery.finish(started + SOON).await;
    assert!(started.elapsed() < EVENT_TIMEOUT / 2);
    let signal = &report.signals[&Signal::Traces];
    assert_eq!((signal.waiting, signal.memory_bytes), (1, 0));
    assert_eq!(fs::read_dir(folder.path().join("traces")).unwrap().count(), 1);
}

#[tokio::test]
async fn finishing_does_not_wait_for_a_collector_that_is_away() {
    let collector = Collector::start(Behaviour::Status(503)).await;
    let fixture = start_to(&collector, &[Signal::Metrics], None);
    fixture.delivery.push(Signal::Metrics, b"1".to_vec());
    until("an attempt", || collector.heads().len() == 1).await;
    let started = Instant::now();
    let report = fixture.delivery.finish(soon()).await;
    assert!(started.elapsed() < EVENT_TIMEOUT / 2);
    assert_eq!(report.signals[&Signal::Metrics].dropped[&DropReason::Shutdown], 1);
}
