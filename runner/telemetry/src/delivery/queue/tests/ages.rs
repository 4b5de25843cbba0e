//! The maximum age of requests, independent of changes of the wall clock.

use super::*;

const DAY: u64 = 24 * 60 * 60;

/// Advances the time and shifts the wall clock by `set_by` seconds.
fn pass(seconds: u64, set_by: i64) {
    let (wall, boot) = CLOCK.get();
    let wall = (wall + seconds).checked_add_signed(set_by).unwrap();
    CLOCK.set((wall, boot + seconds));
}

fn spooled(folder: &Path) -> Fixture {
    let mut fixture = Fixture::new(Some(folder));
    fixture.store.push(Signal::Metrics, b"waits".to_vec());
    fixture.answer(Signal::Metrics, away());
    fixture
}

fn waiting(fixture: &mut Fixture) -> u64 {
    fixture.store.push(Signal::Traces, b"anything".to_vec());
    fixture.report(Signal::Metrics).waiting
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forth_and_back_drops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = spooled(folder.path());
    for set_by in [3 * DAY, 30 * DAY] {
        let set_by = i64::try_from(set_by).unwrap();
        pass(5, set_by);
        assert_eq!(waiting(&mut fixture), 1);
        // Created while the clock was wrong.
        fixture.store.push(Signal::Metrics, b"later".to_vec());
        drop(fixture);
        fixture = Fixture::new(Some(folder.path()));
        assert_eq!(waiting(&mut fixture), 2, "after a restart as well");
        pass(5, -set_by);
        assert_eq!(waiting(&mut fixture), 2);
        assert_eq!(
            fixture.answer(Signal::Metrics, ExportResult::accepted()),
            b"waits"
        );
        assert_eq!(fixture.answer(Signal::Metrics, away()), b"later");
        fixture.drain(Signal::Metrics);
        fixture.store.push(Signal::Metrics, b"waits".to_vec());
        fixture.answer(Signal::Metrics, away());
    }
    assert!(fixture.report(Signal::Metrics).dropped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_stays_behind_keeps_nothing_for_longer() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = spooled(folder.path());
    pass(1_800, -2 * i64::try_from(DAY).unwrap());
    assert_eq!(waiting(&mut fixture), 1);
    drop(fixture);
    let mut fixture = Fixture::new(Some(folder.path()));
    pass(1_801, 0);
    assert_eq!(waiting(&mut fixture), 0);
    assert_eq!(fixture.report(Signal::Metrics).dropped[&DropReason::Expired], 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_older_boot_left_is_dropped_only_when_the_time_of_day_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    fs::create_dir_all(&metrics).unwrap();
    fs::write(metrics.join("00000000000001000000.request"), b"of 1970").unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(waiting(&mut fixture), 1);
    for _ in 0..9 {
        pass(60, 0);
        assert_eq!(waiting(&mut fixture), 1);
    }
    pass(61, 0);
    assert_eq!(waiting(&mut fixture), 0);
    assert_eq!(fixture.report(Signal::Metrics).dropped[&DropReason::Expired], 1);
    assert!(files(&metrics).is_empty());
}
