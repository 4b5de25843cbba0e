//! What is known of each check, and what others see of it.

use super::*;

fn only(check: &Arc<Check>) -> (Board, &[Arc<Check>]) {
    let checks = std::slice::from_ref(check);
    (board(checks), checks)
}

#[test]
fn a_record_says_when_a_check_was_due_how_it_ended_and_when_its_status_changed() {
    let check = check("a");
    let (board, _) = only(&check);
    let times = |board: &Board| {
        let record = board.record(&check.id).unwrap();
        [
            record.last_due.map(|due| due.wall()),
            record.last_finish,
            record.last_success,
            record.changed,
        ]
    };
    assert_eq!(times(&board), [None; 4]);
    went(&board, &check, VerdictStatus::Pass, 1);
    assert_eq!(times(&board), [Some(at(1)); 4]);
    went(&board, &check, VerdictStatus::Fail, 2);
    assert_eq!(times(&board), [2, 2, 1, 1].map(|second| Some(at(second))));
    went(&board, &check, VerdictStatus::Fail, 3);
    assert_eq!(times(&board), [3, 3, 1, 3].map(|second| Some(at(second))));
    board.pass(&check, MissReason::ClockJump, 2, Since::at(at(5)));
    assert_eq!(times(&board)[0], Some(at(5)));
    let record = board.record(&check.id).unwrap();
    assert_eq!((record.failures, record.interval), (2, Duration::from_secs(10)));
    went(&board, &check, VerdictStatus::Warn, 6);
    assert_eq!(board.record(&check.id).unwrap().failures, 0);
}

#[test]
fn a_cadence_goes_on_from_what_an_earlier_process_kept() {
    let check = check("a");
    let (before, _) = only(&check);
    let record = |board: &Board| HashMap::from([(check.id.clone(), board.record(&check.id).unwrap())]);
    assert_eq!(Restored::from(record(&before)).last_due(&check), None);
    went(&before, &check, VerdictStatus::Pass, 7);
    let restored = Restored::from(record(&before));
    assert_eq!(restored.last_due(&check), Some(Since::at(at(7))));
    let other = Check::plain("a", Duration::from_secs(11));
    assert_eq!(restored.last_due(&other), None);
    assert_eq!(
        restored.last_due(&Check::plain("b", Duration::from_secs(10))),
        None
    );
}

#[test]
fn runs_under_way_are_counted_by_the_stages_of_the_checks() {
    let checks = ["a", "b", "c"].map(check);
    let board = board(&checks);
    for check in &checks {
        board.schedule(check, Since::at(at(1))).unwrap();
    }
    board.start(&checks[0].id);
    board.start(&checks[1].id);
    let mut stages = BTreeMap::new();
    board.each(|check, sign| _ = stages.insert(check.name.clone(), sign.stage));
    assert_eq!(
        Vec::from_iter(stages.into_values()),
        [Stage::Running, Stage::Running, Stage::Waiting]
    );
    assert_eq!((board.under_way(), board.holds(3)), (3, true));
    assert_eq!(board.account().started(), 2);
    let started = checks
        .each_ref()
        .map(|check| board.record(&check.id).unwrap().account.started());
    assert_eq!(started, [1, 1, 0]);
    board.publish(&run(&checks[0], verdict(VerdictStatus::Pass)), at(2));
    board.abandon(&checks[2].id);
    assert_eq!((board.under_way(), board.holds(1)), (1, true));
}

#[test]
fn a_check_that_is_taken_out_while_it_waits_leaves_when_its_run_is_given_up() {
    let check = check("a");
    let (board, _) = only(&check);
    board.schedule(&check, Since::at(at(1))).unwrap();
    board.keep(&[], &mut Restored::default(), Instant::now());
    assert_eq!((board.len(), board.is_empty()), (1, false));
    board.abandon(&check.id);
    assert_eq!((board.len(), board.is_empty()), (0, true));
    assert_eq!(
        (board.retired().scheduled(), board.retired().missed_in_all()),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_is_kept_as_the_suite_has_it_now_and_its_silence_goes_on() {
    let before = check("a");
    let board = Board::default();
    let checks = std::slice::from_ref(&before);
    let layout = board.keep(checks, &mut Restored::default(), Instant::now());
    assert!(layout.gone.is_empty() && layout.killed.is_empty());
    tokio::time::advance(Duration::from_secs(9)).await;
    let after = Arc::new(Check {
        plugin: "http".to_owned(),
        ..(*before).clone()
    });
    let layout = board.keep(
        std::slice::from_ref(&after),
        &mut Restored::default(),
        Instant::now(),
    );
    assert!(layout.gone.is_empty() && layout.killed.is_empty());
    let mut signs = Vec::new();
    board.each(|check, sign| signs.push((check.plugin.clone(), sign.silent_for)));
    assert_eq!(signs, [("http".to_owned(), Duration::from_secs(9))]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_check_says_at_which_stage_it_is_and_how_it_ended_last() {
    let check = check("a");
    let (board, _) = only(&check);
    went(&board, &check, VerdictStatus::Fail, 1);
    board.schedule(&check, Since::at(at(2))).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let seen = board.seen_check(&check.id).unwrap();
    assert_eq!(
        (seen.stage, seen.stage_age),
        (Stage::Waiting, Duration::from_secs(3))
    );
    assert_eq!(seen.last.unwrap().outcome, verdict(VerdictStatus::Fail));
    assert!(board.last(&check.id).is_some());
    assert!(board.seen_check(&CheckId::new("b")).is_none());
    let all = board.seen();
    assert_eq!((all.total.scheduled(), all.checks.len()), (2, 1));
    assert_eq!(board.ids(), std::slice::from_ref(&check.id));
}

#[test]
fn the_live_table_has_a_row_for_each_check_in_the_order_of_the_suite() {
    let checks = ["c", "a", "b", "unheard of"].map(check);
    let board = board(&checks[..3]);
    went(&board, &checks[0], VerdictStatus::Pass, 1);
    board.schedule(&checks[1], Since::at(at(1))).unwrap();
    let rows = board.rows(&checks);
    let shown = rows.iter().map(|row| {
        (
            row.check.name.as_str(),
            row.status,
            row.is_running,
            row.last.is_some(),
        )
    });
    let unknown = Status::Unknown;
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("c", Status::Up, false, true),
            ("a", unknown, true, false),
            ("b", unknown, false, false),
            ("unheard of", unknown, false, false),
        ]
    );
    let chosen = board.choose(|check, record| (record.status() == Status::Up).then(|| check.name.clone()));
    assert_eq!(chosen, ["c"]);
}

#[test]
fn what_an_earlier_process_counted_of_checks_that_were_gone_is_counted_on() {
    let mut gone = Account::default();
    gone.schedule(3);
    gone.miss(MissReason::Absent, 3);
    let mut cut_off = Record::default();
    cut_off.account.schedule(2);
    cut_off.account.start();
    let records = HashMap::from([(CheckId::new("a"), cut_off)]);
    let (board, restored) = Board::restored(records, gone);
    assert_eq!((board.account().scheduled(), board.retired().scheduled()), (3, 3));
    board.retire(restored);
    for account in [board.account(), board.retired()] {
        assert_eq!((account.scheduled(), account.missed_in_all()), (5, 5));
        assert_eq!(account.missed()[&MissReason::Killed], 2);
    }
    assert!(board.holds(0));
}
