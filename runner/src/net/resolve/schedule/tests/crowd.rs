//! Good checks beside hundreds of others that ask for names of which nothing comes, or nothing for long.

use tokio::time::timeout;

use super::*;

/// What the others are like.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    checks: u32,
    plugin: &'static str,
    /// When their names are answered.
    answered_after: Option<Duration>,
}

/// Each asks for four names at once, in zones of their own, every two seconds.
async fn crowd(schedule: &Schedule, crowd: Crowd) {
    let each = Duration::from_secs(2) / crowd.checks;
    join_all((0..crowd.checks).map(|number| one_of(schedule, crowd, number, each * number))).await;
}

async fn one_of(schedule: &Schedule, crowd: Crowd, number: u32, offset: Duration) {
    sleep(offset).await;
    loop {
        let ends = Instant::now() + Duration::from_secs(2);
        let parties = (0..4).map(|question| Party {
            whose: Whose::Machine,
            destination: format!("z{number}x{question}.test").into(),
            check: CheckId::new(&format!("crowd{number}")),
            plugin: crowd.plugin.into(),
        });
        let parties: Vec<_> = parties.collect();
        let (progress, limit) = (Progress::default(), Duration::from_millis(1_900));
        let asked = parties.iter().map(|party| {
            let answer = async {
                match crowd.answered_after {
                    Some(time) => sleep(time).await,
                    None => std::future::pending().await,
                }
                Ok(())
            };
            schedule.ask(party, limit, &progress, answer)
        });
        let _left = timeout(limit, join_all(asked)).await;
        sleep_until(ends).await;
    }
}

/// A check that asks for both families of its name every second, and has 900 ms for it. How many of its runs got both.
async fn good(schedule: &Schedule, number: u32, takes: Duration, runs: u32) -> u32 {
    sleep(Duration::from_millis(97) * number).await;
    let party = Party {
        whose: Whose::Machine,
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
            schedule.ask(&party, limit, &progress, answer)
        });
        let answers = timeout(Duration::from_millis(900), join_all(asked)).await;
        passed +=
            u32::from(answers.is_ok_and(|answers| answers.iter().all(|answer| *answer == Ok(Some(())))));
        sleep_until(ends).await;
    }
    passed
}

/// How many runs of ten good checks passed, of four each, and how many there were in all. Before the others come there are
/// `before` runs of each.
async fn passed(others: Crowd, takes: Duration, before: u32) -> (u32, u32) {
    const RUNS: u32 = 4;
    let schedule = few_places();
    let good = |runs| {
        join_all(
            (0..10)
                .map(|number| good(&schedule, number, takes, runs))
                .collect::<Vec<_>>(),
        )
    };
    good(before).await;
    tokio::select! {
        () = crowd(&schedule, others) => unreachable!("it never ends"),
        passed = good(RUNS) => (passed.into_iter().sum(), 10 * RUNS),
    }
}

/// 12 places for new questions and 25 for silent ones: 400 descriptors leave as many.
fn few_places() -> Schedule {
    Schedule::new(&Ledger::new(Budget::new(100)))
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
