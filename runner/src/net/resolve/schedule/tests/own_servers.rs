//! Questions to servers that checks chose, beside others.

use super::*;

/// Of a check that asks servers of its own.
fn to_own(servers: &str, check: &str) -> Party {
    Party {
        whose: Whose::Check,
        destination: servers.into(),
        check: CheckId::new(check),
        plugin: "http".into(),
    }
}

/// A check that asks its dead servers for four names at once, every two seconds.
async fn dead(schedule: &Schedule, servers: &str) {
    let party = to_own(servers, servers);
    loop {
        let ends = Instant::now() + Duration::from_secs(2);
        let progress = Progress::default();
        let asked = (0..4).map(|_| {
            let never = std::future::pending::<Result<(), _>>();
            schedule.ask(&party, Duration::from_millis(1_900), &progress, never)
        });
        join_all(asked).await;
        sleep_until(ends).await;
    }
}

async fn dead_servers(schedule: &Schedule, checks: u8) {
    let servers: Vec<_> = (0..checks).map(|last| format!("192.0.2.{last}:53")).collect();
    join_all(servers.iter().map(|servers| dead(schedule, servers))).await;
}

async fn answers_for(schedule: &Schedule, party: &Party) -> Duration {
    let asked = Instant::now();
    let (progress, limit) = (Progress::default(), Duration::from_secs(2));
    let answer = schedule.ask(party, limit, &progress, async { Ok(()) }).await;
    assert_eq!(answer, Ok(Some(())));
    asked.elapsed()
}

/// How long a question of this party waits at most while checks with dead servers come and go.
async fn longest_wait(party: &Party, checks: u8) -> Duration {
    let schedule = schedule();
    let sound = async {
        let mut longest = Duration::ZERO;
        // By then it is known who asks in vain.
        sleep(Duration::from_secs(5)).await;
        for _ in 0..50 {
            sleep(Duration::from_millis(130)).await;
            longest = longest.max(answers_for(&schedule, party).await);
        }
        longest
    };
    tokio::select! {
        () = dead_servers(&schedule, checks) => unreachable!("they never end"),
        longest = sound => longest,
    }
}

#[tokio::test(start_paused = true)]
async fn dead_servers_of_checks_delay_no_question_to_the_machines_servers() {
    let waited = longest_wait(&party("good.test"), 100).await;
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
    assert!(waited <= 2 * FRESH, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn however_many_checks_name_dead_servers_their_places_are_few() {
    let schedule = schedule();
    let mut flood = Box::pin(dead_servers(&schedule, 100));
    assert!(flood.as_mut().now_or_never().is_none());
    for _ in 0..20 {
        tokio::time::advance(FRESH).await;
        assert!(flood.as_mut().now_or_never().is_none());
        let places = &schedule.to_checks;
        assert!(places.fresh.used() <= 8 && places.silent.used() <= 16);
        assert!(
            places.silent.held_by("192.0.2.1:53") <= 8,
            "half for one check's servers"
        );
    }
    drop(flood);
    assert_eq!(
        (schedule.to_checks.fresh.used(), schedule.to_checks.silent.used()),
        (0, 0)
    );
}
