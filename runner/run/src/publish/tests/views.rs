//! Records of checks, and read access to them.

use super::*;

fn only(check: &Arc<Check>) -> (StatusStore, &[Arc<Check>]) {
    let checks = std::slice::from_ref(check);
    (store(checks), checks)
}

#[test]
fn a_record_says_when_a_check_was_due_how_it_ended_and_when_its_status_changed() {
    let check = check("a");
    let (store, _) = only(&check);
    let times = |store: &StatusStore| {
        let record = store.record(&check.id).unwrap();
        [
            record.last_due.map(|due| due.wall()),
            record.last_finish,
            record.last_success,
            record.changed,
        ]
    };
    assert_eq!(times(&store), [None; 4]);
    run_once(&store, &check, VerdictStatus::Pass, 1);
    assert_eq!(times(&store), [Some(at(1)); 4]);
    run_once(&store, &check, VerdictStatus::Fail, 2);
    assert_eq!(times(&store), [2, 2, 1, 1].map(|second| Some(at(second))));
    run_once(&store, &check, VerdictStatus::Fail, 3);
    assert_eq!(times(&store), [3, 3, 1, 3].map(|second| Some(at(second))));
    store.record_missed(&check, MissReason::ClockJump, 2, Since::at(at(5)));
    assert_eq!(times(&store)[0], Some(at(5)));
    let record = store.record(&check.id).unwrap();
    assert_eq!((record.failures, record.interval), (2, Duration::from_secs(10)));
    run_once(&store, &check, VerdictStatus::Warn, 6);
    assert_eq!(store.record(&check.id).unwrap().failures, 0);
}

#[test]
fn a_cadence_continues_from_the_record_of_an_earlier_process() {
    let check = check("a");
    let (before, _) = only(&check);
    let record = |store: &StatusStore| HashMap::from([(check.id.clone(), store.record(&check.id).unwrap())]);
    assert_eq!(Restored::from(record(&before)).last_due(&check), None);
    run_once(&before, &check, VerdictStatus::Pass, 7);
    let restored = Restored::from(record(&before));
    assert_eq!(restored.last_due(&check), Some(Since::at(at(7))));
    let other = Check::minimal("a", Duration::from_secs(11));
    assert_eq!(restored.last_due(&other), None);
    assert_eq!(
        restored.last_due(&Check::minimal("b", Duration::from_secs(10))),
        None
    );
}

#[test]
fn runs_in_flight_are_counted_by_the_stages_of_the_checks() {
    let checks = ["a", "b", "c"].map(check);
    let store = store(&checks);
    for check in &checks {
        store.schedule(check, Since::at(at(1))).unwrap();
    }
    store.start(&checks[0].id);
    store.start(&checks[1].id);
    let mut stages = BTreeMap::new();
    store.for_each(|check, liveness| _ = stages.insert(check.name.clone(), liveness.stage));
    assert_eq!(
        Vec::from_iter(stages.into_values()),
        [Stage::Running, Stage::Running, Stage::Waiting]
    );
    assert_eq!((store.in_flight(), store.is_balanced(3)), (3, true));
    assert_eq!(store.total_account().started(), 2);
    let started = checks
        .each_ref()
        .map(|check| store.record(&check.id).unwrap().account.started());
    assert_eq!(started, [1, 1, 0]);
    store.publish(&run(&checks[0], verdict(VerdictStatus::Pass)), at(2));
    store.abandon(&checks[2].id);
    assert_eq!((store.in_flight(), store.is_balanced(1)), (1, true));
}

#[test]
fn a_check_that_is_removed_while_it_waits_leaves_when_its_run_is_abandoned() {
    let check = check("a");
    let (store, _) = only(&check);
    store.schedule(&check, Since::at(at(1))).unwrap();
    store.apply_suite(&[], &mut Restored::default(), Instant::now());
    assert_eq!((store.len(), store.is_empty()), (1, false));
    store.abandon(&check.id);
    assert_eq!((store.len(), store.is_empty()), (0, true));
    assert_eq!(
        (
            store.archived_account().scheduled(),
            store.archived_account().total_missed()
        ),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_is_updated_to_the_current_suite_and_its_silence_continues() {
    let before = check("a");
    let store = StatusStore::default();
    let checks = std::slice::from_ref(&before);
    let applied = store.apply_suite(checks, &mut Restored::default(), Instant::now());
    assert!(applied.removed.is_empty() && applied.killed.is_empty());
    tokio::time::advance(Duration::from_secs(9)).await;
    let after = Arc::new(Check {
        plugin: "http".to_owned(),
        ..(*before).clone()
    });
    let applied = store.apply_suite(
        std::slice::from_ref(&after),
        &mut Restored::default(),
        Instant::now(),
    );
    assert!(applied.removed.is_empty() && applied.killed.is_empty());
    let mut all = Vec::new();
    store.for_each(|check, liveness| all.push((check.plugin.clone(), liveness.silent_for)));
    assert_eq!(all, [("http".to_owned(), Duration::from_secs(9))]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_a_check_has_its_stage_and_its_last_run() {
    let check = check("a");
    let (store, _) = only(&check);
    run_once(&store, &check, VerdictStatus::Fail, 1);
    store.schedule(&check, Since::at(at(2))).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let snapshot = store.check_snapshot(&check.id).unwrap();
    assert_eq!(
        (snapshot.stage, snapshot.stage_age),
        (Stage::Waiting, Duration::from_secs(3))
    );
    assert_eq!(snapshot.last.unwrap().outcome, verdict(VerdictStatus::Fail));
    assert!(store.last_run(&check.id).is_some());
    assert!(store.check_snapshot(&CheckId::new("b")).is_none());
    let all = store.snapshot();
    assert_eq!((all.total.scheduled(), all.checks.len()), (2, 1));
    assert_eq!(store.check_ids(), std::slice::from_ref(&check.id));
}

#[test]
fn the_live_table_has_a_row_for_each_check_in_the_order_of_the_suite() {
    let checks = ["c", "a", "b", "unheard of"].map(check);
    let store = store(&checks[..3]);
    run_once(&store, &checks[0], VerdictStatus::Pass, 1);
    store.schedule(&checks[1], Since::at(at(1))).unwrap();
    let rows = store.live_rows(&checks);
    let columns = rows.iter().map(|row| {
        (
            row.check.name.as_str(),
            row.status,
            row.is_running,
            row.last.is_some(),
        )
    });
    let unknown = Status::Unknown;
    assert_eq!(
        columns.collect::<Vec<_>>(),
        [
            ("c", Status::Up, false, true),
            ("a", unknown, true, false),
            ("b", unknown, false, false),
            ("unheard of", unknown, false, false),
        ]
    );
    let chosen =
        store.filter_map(|check, record| (record.status() == Status::Up).then(|| check.name.clone()));
    assert_eq!(chosen, ["c"]);
}

#[test]
fn the_archived_account_of_an_earlier_process_is_continued() {
    let mut gone = RunAccount::default();
    gone.record_scheduled(3);
    gone.record_missed(MissReason::Absent, 3);
    let mut cut_off = CheckRecord::default();
    cut_off.account.record_scheduled(2);
    cut_off.account.record_started();
    let records = HashMap::from([(CheckId::new("a"), cut_off)]);
    let (store, restored) = StatusStore::from_records(records, gone);
    assert_eq!(
        (
            store.total_account().scheduled(),
            store.archived_account().scheduled()
        ),
        (3, 3)
    );
    store.archive_removed(restored);
    for account in [store.total_account(), store.archived_account()] {
        assert_eq!((account.scheduled(), account.total_missed()), (5, 5));
        assert_eq!(account.missed()[&MissReason::Killed], 2);
    }
    assert!(store.is_balanced(0));
}
