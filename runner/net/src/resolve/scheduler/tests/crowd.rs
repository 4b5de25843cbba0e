//! Healthy checks next to hundreds of others whose names are not answered, or only after a long time.

use tokio::time::timeout;

use super::*;

/// The behaviour of the other checks.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    checks: u32,
    plugin: &'static str,
    /// How long their names take to be answered; `None` for never.
    answered_after: Option<Duration>,
}

/// Each of them queries four names at once, in zones of their own, every two seconds.
async fn crowd(scheduler: &QueryScheduler, crowd: Crowd) {
    let each = Duration::from_secs(2) / crowd.checks;
    join_all((0..crowd.checks).map(|number| one_of(scheduler, crowd, number, each * number))).await;
}

async fn one_of(scheduler: &QueryScheduler, crowd: Crowd, number: u32, offset: Duration) {
    sleep(offset).await;
    loop {
        let ends = Instant::now() + Duration::from_secs(2);
        let parties = (0..4).map(|question| QueryOrigin {
            owner: ServerOwner::Machine,
            destination: format!("z{number}x{question}.test").into(),
            check: CheckId::new(&format!("crowd{number}")),
            plugin: crowd.plugin.into(),
        });
        let parties: Vec<_> = parties.collect();
        let (progress, limit) = (Progress::default(), Duration::from_millis(1_900));
        let asked = parties.iter().map(|origin| {
            let answer = async {
                match crowd.answered_after {
                    Some(time) => sleep(time).await,
                    None => std::future::pending().await,
                }
                Ok(())
            };
            scheduler.run(origin, limit, &progress, answer)
        });
        let _left = timeout(limit, join_all(asked)).await;
        sleep_until(ends).await;
    }
}

/// A check that queries both families of its name every second, with a limit of 900 ms. Returns how many of its runs
/// got both.
async fn good(scheduler: &QueryScheduler, number: u32, takes: Duration, runs: u32) -> u32 {
    sleep(Duration::from_millis(97) * number).await;
    let origin = QueryOrigin {
        owner: ServerOwner::Machine,
        destination: format!("good{number}.test").into(),
        check: CheckId::new(&format!("good{number}")),
        plugin: "http".into(),
    };
    let mut passed = 0;
    for _ in 0..runs {
        let ends = Instant::now() + Duration::from_secs(1);
        let (progress, limit) = (Progress::default(), Duration::from_secs(2));
        let asked = [(); 2].map(|()| {
            let answer = async {
                sleep(takes).await;
                Ok(())
            };
            scheduler.run(&origin, limit, &progress, answer)
        });
        let answers = timeout(Duration::from_millis(900), join_all(asked)).await;
        passed +=
            u32::from(answers.is_ok_and(|answers| answers.iter().all(|answer| *answer == Ok(Some(())))));
        sleep_until(ends).await;
    }
    passed
}

/// How many runs of ten healthy checks passed, of four each, and how many there were in total. Each has `before` runs
/// before the others start.
async fn passed(others: Crowd, takes: Duration, before: u32) -> (u32, u32) {
    const RUNS: u32 = 4;
    let scheduler = few_places();
    let good = |runs| {
        join_all(
            (0..10)
                .map(|number| good(&scheduler, number, takes, runs))
                .collect::<Vec<_>>(),
        )
    };
    good(before).await;
    tokio::select! {
        () = crowd(&scheduler, others) => unreachable!("it never ends"),
        passed = good(RUNS) => (passed.into_iter().sum(), 10 * RUNS),
    }
}

/// 12 fresh queries and 25 unanswered ones: 400 descriptors allow that many.
fn few_places() -> QueryScheduler {
    QueryScheduler::new(&Ledger::new(Budget::new(100)))
}

const CHECKS: u32 = 900;
const NEVER: Option<Duration> = None;
const SLOWLY: Option<Duration> = Some(Duration::from_millis(1_800));

#[tokio::test(start_paused = true)]
async fn good_checks_pass_whatever_hundreds_of_checks_of_another_plugin_ask() {
    for (answered_after, takes) in [(NEVER, 5), (NEVER, 500), (SLOWLY, 300)] {
        let others = Crowd {
            checks: CHECKS,
            plugin: "other",
            answered_after,
        };
        let (passed, all) = passed(others, Duration::from_millis(takes), 0).await;
        assert_eq!(passed, all, "{others:?}, {takes} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_that_got_answers_go_on_to_whatever_hundreds_of_the_same_plugin_ask() {
    for (answered_after, takes) in [(NEVER, 5), (NEVER, 500), (SLOWLY, 300)] {
        let others = Crowd {
            checks: CHECKS,
            plugin: "http",
            answered_after,
        };
        let (passed, all) = passed(others, Duration::from_millis(takes), 3).await;
        assert_eq!(passed, all, "{others:?}, {takes} ms");
    }
}
