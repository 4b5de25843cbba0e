mod crowd;
mod own_servers;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::ledger::Budget;

/// 8 fresh queries and 16 unanswered ones.
fn scheduler() -> QueryScheduler {
    QueryScheduler::new(&Ledger::new(Budget::new(64)))
}

/// A check that only queries this zone.
fn origin(zone: &str) -> QueryOrigin {
    QueryOrigin {
        owner: ServerOwner::Machine,
        destination: zone.into(),
        check: CheckId::new(zone),
        plugin: "http".into(),
    }
}

/// Checks, spread over two seconds, that each query four names in zones of their own at once, every two seconds, and
/// never get an answer.
async fn flood(scheduler: &QueryScheduler, checks: u32) {
    let each = Duration::from_secs(2) / checks;
    join_all((0..checks).map(|number| hostile(scheduler, number, each * number))).await;
}

async fn hostile(scheduler: &QueryScheduler, number: u32, offset: Duration) {
    let never = std::future::pending::<Result<(), _>>;
    sleep(offset).await;
    loop {
        let ends = Instant::now() + Duration::from_secs(2);
        let parties = (0..4).map(|question| QueryOrigin {
            owner: ServerOwner::Machine,
            destination: format!("z{number}x{question}.test").into(),
            check: CheckId::new(&format!("hostile{number}")),
            plugin: "http".into(),
        });
        let parties: Vec<_> = parties.collect();
        let (progress, limit) = (Progress::default(), Duration::from_millis(1_900));
        let asked = parties
            .iter()
            .map(|origin| scheduler.run(origin, limit, &progress, never()));
        join_all(asked).await;
        sleep_until(ends).await;
    }
}

async fn silent(scheduler: &QueryScheduler, zone: &str) -> Result<Option<()>, NetError> {
    let never = std::future::pending();
    let progress = Progress::default();
    scheduler
        .run(&origin(zone), Duration::from_secs(5), &progress, never)
        .await
}

async fn answers(scheduler: &QueryScheduler, zone: &str) -> Duration {
    let asked = Instant::now();
    let answer = async { Ok(()) };
    let progress = Progress::default();
    let answer = scheduler
        .run(&origin(zone), Duration::from_secs(5), &progress, answer)
        .await;
    assert_eq!(answer, Ok(Some(())));
    asked.elapsed()
}

#[test]
fn a_zone_is_the_last_labels_of_a_name() {
    let zones = [
        "a.b.example.com.",
        "Example.COM",
        "a.b.co.uk",
        "localhost",
        "co.uk",
        "",
    ];
    let zones = zones.map(|name| zone(name).to_string());
    assert_eq!(
        zones,
        ["example.com", "example.com", "b.co.uk", "localhost", "co.uk", ""]
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_at_its_limit() {
    let (scheduler, asked) = (scheduler(), Instant::now());
    assert_eq!(silent(&scheduler, "a.test").await, Ok(None));
    assert_eq!(asked.elapsed(), Duration::from_secs(5));
    assert_eq!(
        (
            scheduler.to_machine.fresh.used(),
            scheduler.to_machine.unanswered.used()
        ),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hundred_questions_to_a_silent_zone_delay_no_other_zone() {
    let scheduler = scheduler();
    let mut flood = Box::pin(join_all((0..100).map(|_| silent(&scheduler, "silent.test"))));
    for _ in 0..20 {
        assert!(flood.as_mut().now_or_never().is_none());
        assert!(answers(&scheduler, "good.test").await <= FRESH_PERIOD);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let ended = flood.await;
    assert!(ended.contains(&Ok(None)) && ended.contains(&Err(NetError::DnsBusy)));
    assert_eq!(
        (
            scheduler.to_machine.fresh.used(),
            scheduler.to_machine.unanswered.used()
        ),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_answer_holds_no_place_of_those_that_are_new() {
    let scheduler = scheduler();
    let zones: Vec<String> = (0..8).map(|number| format!("silent{number}.test")).collect();
    let mut flood = Box::pin(join_all(zones.iter().map(|zone| silent(&scheduler, zone))));
    assert!(flood.as_mut().now_or_never().is_none());
    assert_eq!(scheduler.to_machine.fresh.used(), 8);
    tokio::time::advance(FRESH_PERIOD).await;
    assert!(flood.as_mut().now_or_never().is_none());
    assert_eq!(
        (
            scheduler.to_machine.fresh.used(),
            scheduler.to_machine.unanswered.used()
        ),
        (0, 8)
    );
    assert_eq!(answers(&scheduler, "good.test").await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn however_many_checks_ask_silent_zones_one_that_gets_answers_waits_for_a_moment() {
    let scheduler = scheduler();
    let good = async {
        sleep(Duration::from_secs(5)).await;
        for _ in 0..50 {
            let waits = join_all(["a.good", "b.good", "c.good"].map(|zone| answers(&scheduler, zone))).await;
            assert!(waits.iter().all(|wait| *wait <= 2 * FRESH_PERIOD), "{waits:?}");
            sleep(Duration::from_millis(130)).await;
        }
        assert_eq!(
            scheduler.to_machine.fresh.used(),
            8,
            "places are short all the time"
        );
    };
    tokio::select! {
        () = flood(&scheduler, 200) => unreachable!("it never ends"),
        () = good => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_a_while_has_its_place_for_it_among_checks_that_get_none() {
    let scheduler = scheduler();
    let slow = async {
        sleep(Duration::from_secs(5)).await;
        for _ in 0..10 {
            let answer = async {
                sleep(Duration::from_millis(300)).await;
                Ok(())
            };
            let (progress, limit) = (Progress::default(), Duration::from_secs(2));
            let answer = scheduler
                .run(&origin("slow.good"), limit, &progress, answer)
                .await;
            assert_eq!(answer, Ok(Some(())));
            sleep(Duration::from_secs(2)).await;
        }
    };
    tokio::select! {
        () = flood(&scheduler, 60) => unreachable!("it never ends"),
        () = slow => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_times_out_waiting_for_a_place_is_not_marked_as_sent() {
    let scheduler = scheduler();
    let _full: Vec<_> = (0..8)
        .map(|number| {
            scheduler
                .to_machine
                .fresh
                .try_acquire(Claim::new(number.to_string()))
                .unwrap()
        })
        .collect();
    let (progress, asked) = (Progress::default(), Instant::now());
    let never = std::future::pending::<Result<(), _>>();
    let answer = scheduler
        .run(&origin("a.test"), ADMISSION_TIMEOUT, &progress, never)
        .await;
    assert_eq!(answer, Err(NetError::DnsBusy));
    assert_eq!(
        (asked.elapsed(), progress.has_begun()),
        (ADMISSION_TIMEOUT, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_dropped_gives_back_its_places() {
    let scheduler = scheduler();
    let mut asked = Box::pin(silent(&scheduler, "a.test"));
    assert!(asked.as_mut().now_or_never().is_none());
    tokio::time::advance(FRESH_PERIOD).await;
    assert!(asked.as_mut().now_or_never().is_none());
    assert_eq!(scheduler.to_machine.unanswered.used(), 1);
    drop(asked);
    assert_eq!(
        (
            scheduler.to_machine.fresh.used(),
            scheduler.to_machine.unanswered.used()
        ),
        (0, 0)
    );
}
