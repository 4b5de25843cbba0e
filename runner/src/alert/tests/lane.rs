//! What a lane makes of the answers of its receiver, by a clock that stands still.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Disk, begun, kept, settings};
use crate::alert::answer::{Answer, Failure, Unreached};
use crate::alert::courier::{Deliveries, Outside};
use crate::alert::notification::Notification;
use crate::alert::report::{DropReason, NotifierReport};
use crate::alert::simulated::Receiver;
use crate::alert::trial::sample;
use crate::alert::{Desk, Reports, Start, prepare};
use crate::clock::simulated::Simulated;
use crate::ledger::audit::Reserve;
use crate::liveness::Registry;
use crate::state::Shelf;

const OPS: &str = "notifiers: { ops: { type: slack, url: 'http://127.0.0.1/', timeout: 10s } }";

/// One notifier and its receiver.
pub(super) struct World {
    desk: Desk,
    reports: Reports,
    disk: Arc<Mutex<Disk>>,
    said: Arc<Mutex<Vec<String>>>,
    /// When which notification was tried, in seconds from the start.
    tries: Arc<Mutex<Vec<(u64, u32)>>>,
}

impl World {
    /// The receiver gives these answers and then takes everything.
    fn new(answers: impl IntoIterator<Item = Answer>) -> (Self, Deliveries) {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::judged(move |_| {
            let answer = answers.lock().unwrap().pop_front();
            answer.unwrap_or(Answer::Delivered)
        })
    }

    /// The receiver answers as `judge` has it.
    pub(super) fn judged(
        judge: impl Fn(&Notification) -> Answer + Send + Sync + 'static,
    ) -> (Self, Deliveries) {
        Self::received(judge, |receiver| receiver)
    }

    /// The same, but what fires is sent again every minute, which is answered as `refresh` has it.
    pub(super) fn refreshed(
        judge: impl Fn(&Notification) -> Answer + Send + Sync + 'static,
        refresh: impl Fn(&[&Notification]) -> Answer + Send + Sync + 'static,
    ) -> (Self, Deliveries) {
        Self::received(judge, |receiver| receiver.refreshed(refresh))
    }

    fn received(
        judge: impl Fn(&Notification) -> Answer + Send + Sync + 'static,
        and: impl FnOnce(Receiver) -> Receiver,
    ) -> (Self, Deliveries) {
        let began = Instant::now();
        let tries: Arc<Mutex<Vec<_>>> = Arc::default();
        let tried = Arc::clone(&tries);
        let receiver = Receiver::new(move |notification: Notification| {
            let attempt = (began.elapsed().as_secs(), notification.number);
            tried.lock().unwrap().push(attempt);
            std::future::ready(judge(&notification))
        });
        let receiver = and(receiver);
        let mut settings = settings(OPS).unwrap();
        let notifiers = std::mem::take(&mut settings.notifiers).into_iter();
        settings.notifiers = notifiers.map(|one| one.received_by(receiver.clone())).collect();
        let (disk, said): (Arc<Mutex<Disk>>, Arc<Mutex<Vec<String>>>) = Default::default();
        let (kept, saying) = (Arc::clone(&disk), Arc::clone(&said));
        let start = Start {
            settings: &settings,
            alerts: &[],
            notifications: &[],
            reserve: Reserve::default(),
            begin: begun(),
            keep: Box::new(move |changes| kept.lock().unwrap().keep(changes)),
            say: Box::new(move |_, line| saying.lock().unwrap().push(line.to_owned())),
            liveness: Registry::default(),
        };
        let (desk, outbox) = prepare(&start);
        let deliveries = Deliveries::new(&settings, &desk, Arc::clone(&outbox), Outside::from(start));
        let reports = Reports(outbox);
        let world = Self {
            desk,
            reports,
            disk,
            said,
            tries,
        };
        (world, deliveries)
    }

    /// Has these delivered.
    pub(super) fn stage_all(&self, notifications: impl IntoIterator<Item = Notification>) {
        for notification in notifications {
            let changes = self.desk.outbox().queue().stage("ops", notification);
            self.disk.lock().unwrap().keep(changes);
        }
        self.desk.post(&kept());
    }

    /// These fire by rows that were read late.
    pub(super) fn restore_late(&self, firing: Vec<Notification>) {
        self.desk.outbox().add_standing(&"ops".into(), firing);
    }

    fn stage(&self, numbers: impl IntoIterator<Item = u32>) {
        self.stage_all(numbers.into_iter().map(|number| Notification {
            number,
            ..sample(SystemTime::now())
        }));
    }

    pub(super) fn tries(&self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.tries.lock().unwrap())
    }

    pub(super) fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    pub(super) fn report(&self) -> NotifierReport {
        self.reports.now().notifiers.remove("ops").unwrap()
    }

    pub(super) fn on_disk(&self) -> usize {
        self.disk.lock().unwrap().rows(Shelf::Notification).len()
    }
}

pub(super) fn failure(word: &'static str) -> Failure {
    Failure {
        word: word.into(),
        message: format!("it is {word}"),
    }
}

fn unreached(receiver: &str, word: &'static str, is_for_now: bool) -> Unreached {
    Unreached {
        receiver: receiver.to_owned(),
        failure: failure(word),
        is_for_now,
    }
}

pub(super) fn later() -> Answer {
    Answer::Later(failure("away"), Some(Duration::from_secs(20)))
}

pub(super) fn refused() -> Answer {
    Answer::Refused(failure("bad"))
}

pub(super) async fn run(deliveries: Deliveries, seconds: u64) {
    let forever = deliveries.run(CancellationToken::new());
    timeout(Duration::from_secs(seconds), forever).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_only_an_operator_can_help_is_tried_every_five_minutes_and_misses_nothing() {
    let held = || Answer::Held(failure("gone"));
    let (world, deliveries) = World::new([held(), held()]);
    world.stage(1..=3);
    run(deliveries, 700).await;
    assert_eq!(world.tries(), [(0, 1), (300, 1), (600, 1), (600, 2), (600, 3)]);
    assert_eq!(
        world.said(),
        [
            "notifier `ops` does not deliver: it is gone; mend its settings, until then 3 wait",
            "notifier `ops` delivers again; 2 wait and are sent now"
        ]
    );
    let report = world.report();
    assert_eq!(
        (report.delivered, report.waiting, report.failed["gone"]),
        (3, 0, 2)
    );
    assert_eq!((report.failing, world.on_disk()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_is_tried_with_the_oldest_and_spoken_of_once() {
    let (world, deliveries) = World::new([later(), later(), Answer::Delivered, later()]);
    world.stage(1..=2);
    run(deliveries, 50).await;
    assert_eq!(world.tries(), [(0, 1), (20, 1), (40, 1), (40, 2)]);
    assert_eq!(
        world.said(),
        [
            "notifier `ops` does not deliver: it is away; 2 wait and are sent later",
            "notifier `ops` delivers again; 1 wait and are sent now",
            "notifier `ops` does not deliver: it is away; 1 wait and are sent later",
        ]
    );
    let report = world.report();
    assert_eq!(
        (report.delivered, report.waiting, report.failed["away"]),
        (1, 1, 3)
    );
    assert_eq!(report.failing.unwrap().message, "it is away");
    assert_eq!(world.on_disk(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_away_and_reaches_some_delivers_again_and_may_be_away_again() {
    let partly = || Answer::Partly(failure("for some"), vec![unreached("one", "for some", false)]);
    let answers = [later(), partly(), partly(), later(), Answer::Delivered, partly()];
    let (world, deliveries) = World::new(answers);
    world.stage(1..=4);
    run(deliveries, 100).await;
    assert_eq!(
        world.tries(),
        [(0, 1), (20, 1), (20, 2), (20, 3), (40, 3), (40, 4)]
    );
    let said = world.said();
    let words = [
        "it is away; 4 wait",
        "delivers again; 3",
        "not reach everybody",
        "it is away; 2 wait",
        "delivers again; 1",
        "not reach everybody",
    ];
    let is_as_expected = said.iter().zip(words).all(|(line, words)| line.contains(words));
    assert!(said.len() == words.len() && is_as_expected, "{said:?}");
    let report = world.report();
    assert_eq!((report.delivered, report.failing, world.on_disk()), (4, None, 0));
}

#[tokio::test(start_paused = true)]
async fn each_receiver_that_a_notification_does_not_reach_is_said_once_and_counted_with_its_own_code() {
    let partly = |each: &[(&str, &'static str, bool)]| {
        let each = each
            .iter()
            .map(|(receiver, word, is_for_now)| unreached(receiver, word, *is_for_now));
        Answer::Partly(failure("all"), each.collect())
    };
    let (gone, late) = (("gone", "smtp_550", false), ("late", "smtp_450", true));
    let answers = [
        partly(&[gone]),
        partly(&[gone, late]),
        partly(&[gone]),
        partly(&[late]),
    ];
    let (world, deliveries) = World::new(answers);
    world.stage(1..=4);
    run(deliveries, 10).await;
    let said = world.said();
    // What comes after the second waits for it where that has not arrived.
    let words = ["it is smtp_550; mend", "it is smtp_450; it is tried again"];
    let is_as_expected = said.iter().zip(words).all(|(line, words)| line.contains(words));
    assert!(said.len() == words.len() && is_as_expected, "{said:?}");
    let failed = world.report().failed;
    assert_eq!((failed["smtp_550"], failed["smtp_450"], failed.len()), (3, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_will_never_be_taken_is_given_up_at_once_and_spoken_of_again_after_a_delivery() {
    let rejected = || Answer::Rejected(failure("bad"));
    let answers = [rejected(), rejected(), Answer::Delivered, rejected(), later()];
    let (world, deliveries) = World::new(answers);
    world.stage(1..=5);
    run(deliveries, 10).await;
    assert_eq!(world.tries(), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    let said = world.said();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("/1` is refused") && said[1].contains("/4` is refused"),
        "{said:?}"
    );
    let report = world.report();
    assert_eq!(report.dropped[&DropReason::Refused], 3);
    assert_eq!((report.delivered, report.waiting, world.on_disk()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn waits_begin_anew_once_a_receiver_answers() {
    let failing = || Answer::Later(failure("away"), None);
    for answer in [Answer::Delivered, Answer::Rejected(failure("bad"))] {
        let answers = [
            failing(),
            failing(),
            failing(),
            failing(),
            failing(),
            answer,
            failing(),
        ];
        let (world, deliveries) = World::new(answers);
        world.stage(1..=2);
        run(deliveries, 60).await;
        let times: Vec<u64> = world.tries().into_iter().map(|(at, _)| at).collect();
        // The fifth wait is of 8 s at least, and the one after the answer of 1 s at most.
        assert!(times[5] - times[4] >= 7 && times[7] - times[6] <= 1, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_waits_is_delivered_to_a_receiver_that_answers_and_to_no_other() {
    let stop = CancellationToken::new();
    stop.cancel();
    let (world, deliveries) = World::new([]);
    world.stage(1..=3);
    deliveries.run(stop.clone()).await;
    assert_eq!((world.tries().len(), world.on_disk()), (3, 0));
    let (world, deliveries) = World::new([Answer::Delivered, later()]);
    world.stage(1..=3);
    let began = Instant::now();
    deliveries.run(stop).await;
    assert_eq!((world.tries().len(), world.on_disk()), (2, 2));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_comes_later_is_delivered_when_it_comes() {
    let (world, deliveries) = World::new([]);
    let comes = async {
        for number in 1..=2 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            world.stage([number]);
        }
    };
    futures_util::future::join(run(deliveries, 60), comes).await;
    assert_eq!(world.tries(), [(5, 1), (10, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_does_not_answer_is_given_its_time_and_no_more() {
    let (world, _) = World::new([]);
    let tries = Arc::clone(&world.tries);
    let began = Instant::now();
    let silent = Receiver::new(move |told: Notification| {
        tries
            .lock()
            .unwrap()
            .push((began.elapsed().as_secs(), told.number));
        std::future::pending()
    });
    let notifier = settings(OPS).unwrap().notifiers.remove(0).received_by(silent);
    let reserve = Reserve::default();
    let answer = notifier.deliver(&sample(SystemTime::now()), None, &reserve).await;
    assert_eq!(answer.failure().unwrap().message, "no answer within 10s");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_too_long_is_given_up_on_disk_as_well_and_spoken_of_once() {
    let day = Duration::from_secs(24 * 60 * 60);
    for answer in [later, refused] {
        let _clocks = Simulated::begin(SystemTime::now());
        let (world, deliveries) = World::judged(move |_| answer());
        let comes = async {
            for number in 1..=3 {
                world.stage([number]);
                tokio::time::sleep(day).await;
            }
        };
        futures_util::future::join(run(deliveries, 3 * day.as_secs() - 60), comes).await;
        let report = world.report();
        assert_eq!((report.dropped[&DropReason::Expired], report.waiting), (2, 1));
        assert_eq!(world.on_disk(), 1);
        let said = world.said();
        let given_up = said.iter().filter(|line| line.contains("longer than `max_age`"));
        assert_eq!(given_up.count(), 1, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_some_could_not_take_for_now_is_tried_again_for_them_and_holds_up_no_other() {
    let partly = Answer::Partly(failure("some"), vec![unreached("late", "greylisted", true)]);
    let (world, deliveries) = World::new([partly]);
    world.stage(1..=2);
    run(deliveries, 100).await;
    // Whoever has not taken the first hears of the second after it.
    assert_eq!(world.tries(), [(0, 1), (0, 2), (60, 1), (60, 2)]);
    assert_eq!((world.report().waiting, world.on_disk()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_has_rejected_one_is_not_known_to_take_others() {
    let (world, deliveries) = World::new([Answer::Rejected(failure("bad"))]);
    world.stage(1..=1);
    run(deliveries, 10).await;
    assert_eq!(world.report().failing.unwrap().message, "it is bad");
}
