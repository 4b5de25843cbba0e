//! Queries to servers chosen by checks, next to others.

use super::*;

/// A check that queries its own servers.
fn to_own(servers: &str, check: &str) -> QueryOrigin {
    QueryOrigin {
        owner: ServerOwner::Check,
        destination: servers.into(),
        check: CheckId::new(check),
        plugin: "http".into(),
    }
}

/// A check that queries its dead servers for four names at once, every two seconds.
async fn dead(scheduler: &QueryScheduler, servers: &str) {
    let origin = to_own(servers, servers);
    loop {
        let ends = Instant::now() + Duration::from_secs(2);
        let progress = Progress::default();
        let asked = (0..4).map(|_| {
            let never = std::future::pending::<Result<(), _>>();
            scheduler.run(&origin, Duration::from_millis(1_900), &progress, never)
        });
        join_all(asked).await;
        sleep_until(ends).await;
    }
}

async fn dead_servers(scheduler: &QueryScheduler, checks: u8) {
    let servers: Vec<_> = (0..checks).map(|last| format!("192.0.2.{last}:53")).collect();
    join_all(servers.iter().map(|servers| dead(scheduler, servers))).await;
}

async fn answers_for(scheduler: &QueryScheduler, origin: &QueryOrigin) -> Duration {
    let asked = Instant::now();
    let (progress, limit) = (Progress::default(), Duration::from_secs(2));
    let answer = scheduler.run(origin, limit, &progress, async { Ok(()) }).await;
    assert_eq!(answer, Ok(Some(())));
    asked.elapsed()
}

/// The longest time that a query of this owner waits while checks with dead servers come and go.
async fn longest_wait(origin: &QueryOrigin, checks: u8) -> Duration {
    let scheduler = scheduler();
    let sound = async {
        let mut longest = Duration::ZERO;
        // By then it is known whose queries are unanswered.
        sleep(Duration::from_secs(5)).await;
        for _ in 0..50 {
            sleep(Duration::from_millis(130)).await;
            longest = longest.max(answers_for(&scheduler, origin).await);
        }
        longest
    };
    tokio::select! {
        () = dead_servers(&scheduler, checks) => unreachable!("they never end"),
        longest = sound => longest,
    }
}

#[tokio::test(start_paused = true)]
async fn dead_servers_of_checks_delay_no_question_to_the_machines_servers() {
    let waited = longest_wait(&origin("good.test"), 100).await;
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_of_one_check_delays_no_question_to_a_sound_one_of_another() {
    let waited = longest_wait(&to_own("198.51.100.1:53", "sound"), 1).await;
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dead_servers_of_a_hundred_checks_delay_a_sound_one_for_a_moment() {
    let waited = longest_wait(&to_own("198.51.100.1:53", "sound"), 100).await;
    assert!(waited <= 2 * FRESH_PERIOD, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn however_many_checks_name_dead_servers_their_places_are_few() {
    let scheduler = scheduler();
    let mut flood = Box::pin(dead_servers(&scheduler, 100));
    assert!(flood.as_mut().now_or_never().is_none());
    for _ in 0..20 {
        tokio::time::advance(FRESH_PERIOD).await;
        assert!(flood.as_mut().now_or_never().is_none());
        let places = &scheduler.to_checks;
        assert!(places.fresh.used() <= 8 && places.unanswered.used() <= 16);
        assert!(
            places.unanswered.held_by("192.0.2.1:53") <= 8,
            "half for one check's servers"
        );
    }
    drop(flood);
    assert_eq!(
        (
            scheduler.to_checks.fresh.used(),
            scheduler.to_checks.unanswered.used()
        ),
        (0, 0)
    );
}
