//! A collector that fails to process the data of one check, and one that is down, which looks the same.

use std::collections::HashSet;

use super::fair::{named_root, root};
use super::pieces::{names, too_large};
use super::*;
use crate::delivery::envelope::Envelope;
use crate::delivery::worker::BACKOFF;
use canary_system::backoff::Backoff;

const CHECKS: usize = 20;
const BAD: &str = "check 7";

fn fixture(folder: Option<&Path>) -> Fixture {
    bounded(folder, 64 << 20)
}

fn bounded(folder: Option<&Path>, max_bytes: u64) -> Fixture {
    Fixture::with(
        folder,
        max_bytes,
        Envelope::new(&Default::default(), &Default::default()),
    )
}

/// An export worker, reduced to its backoff.
struct Sender {
    backoff: Backoff,
    not_before: Instant,
    attempts: usize,
    taken: Vec<String>,
}

impl Sender {
    fn new() -> Self {
        Self {
            backoff: Backoff::new(BACKOFF),
            not_before: Instant::now(),
            attempts: 0,
            taken: Vec::new(),
        }
    }

    /// Sends what may be sent now to a collector that fails for each request with data that `is_bad` selects.
    fn send(&mut self, fixture: &mut Fixture, is_bad: impl Fn(&str) -> bool) {
        while Instant::now() >= self.not_before
            && let Some((id, request)) = fixture.send(Signal::Traces)
        {
            self.attempts += 1;
            let names = names(&request);
            let answer = if names.iter().any(|name| is_bad(name)) {
                self.not_before = self.backoff.record_failure(None, Instant::now());
                away()
            } else {
                self.taken.extend(names);
                self.backoff.reset();
                ExportResult::accepted()
            };
            fixture.store.complete(Signal::Traces, id, answer);
        }
    }

    /// Runs each check once per second for `seconds`.
    async fn run(&mut self, fixture: &mut Fixture, seconds: usize, is_bad: impl Fn(&str) -> bool) {
        for _ in 0..seconds {
            for check in 0..CHECKS {
                let check = format!("check {check}");
                fixture.store.append(Signal::Traces, &root(&check, 10));
            }
            fixture.store.close_batches();
            self.send(fixture, &is_bad);
            advance(Duration::from_secs(1)).await;
        }
    }

    fn taken_of(&self, check: &str) -> usize {
        self.taken.iter().filter(|taken| *taken == check).count()
    }

    /// Asserts that `runs` runs of each check were accepted.
    fn assert_taken(&self, runs: usize) {
        for check in 0..CHECKS {
            let check = format!("check {check}");
            assert_eq!(self.taken_of(&check), runs, "{check}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn data_of_one_check_at_which_the_collector_fails_cost_the_other_checks_a_minute_or_two() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(folder.path()));
    let mut sender = Sender::new();
    sender.run(&mut fixture, 180, |name| name == BAD).await;
    for _ in 0..4 {
        let before = sender.taken_of("check 3");
        sender.run(&mut fixture, 100, |name| name == BAD).await;
        let taken = sender.taken_of("check 3") - before;
        assert!(taken >= 60, "{taken} in a hundred seconds");
    }
    assert_eq!(sender.taken_of(BAD), 0);
    assert!(
        sender.taken_of("check 3") >= 560,
        "{}",
        sender.taken_of("check 3")
    );
    advance(Duration::from_secs(600)).await;
    sender.run(&mut fixture, 1, |_| false).await;
    sender.assert_taken(581);
    assert_eq!(fixture.report(Signal::Traces).waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_down_gets_no_more_requests_and_everything_once_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = fixture(Some(folder.path()));
    let mut sender = Sender::new();
    sender.run(&mut fixture, 1_800, |_| true).await;
    // The delay between two attempts is 15 to 30 seconds.
    assert!(sender.attempts <= 5 + 1_800 / 15, "{}", sender.attempts);
    assert!(sender.attempts >= 1_800 / 30 - 5, "{}", sender.attempts);
    sender.run(&mut fixture, 90, |_| false).await;
    sender.assert_taken(1_890);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_of_a_request_is_not_sent_again_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Sender::new();
    {
        let mut fixture = fixture(Some(folder.path()));
        all.run(&mut fixture, 300, |name| name == BAD).await;
        advance(Duration::from_secs(30)).await;
        all.send(&mut fixture, |name| name == BAD);
    }
    let mut fixture = fixture(Some(folder.path()));
    advance(Duration::from_secs(60)).await;
    all.run(&mut fixture, 1, |_| false).await;
    all.assert_taken(301);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_at_the_end_for_what_is_held_back() {
    let mut fixture = fixture(None);
    let mut sender = Sender::new();
    sender.run(&mut fixture, 120, |name| name == BAD).await;
    while !fixture.store.is_idle() {
        advance(Duration::from_secs(1)).await;
        sender.send(&mut fixture, |name| name == BAD);
        assert!(sender.attempts < 1_000, "it never settles");
    }
    let report = fixture.report(Signal::Traces);
    assert!(report.waiting > 0, "{report:?}");
    assert!(
        fixture
            .notices()
            .iter()
            .any(|notice| notice.contains("`check 7` failed"))
    );
}

/// A collector that randomly accepts, fails for some data, accepts less at once, or is unreachable, with a spool that
/// is too small.
async fn takes_nothing_twice(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = bounded(Some(folder.path()), random.u64(4 << 10..64 << 10));
    fixture.store.set_check_count(5);
    let mut taken = HashSet::new();
    let (mut bad, mut is_unreachable) = (String::new(), false);
    for run in 0..400 {
        if random.u8(..20) == 0 {
            bad = format!("check {}", random.u8(..6));
            is_unreachable = random.u8(..4) == 0;
        }
        for _ in 0..random.u8(..4) {
            let check = format!("check {}", random.u8(..5));
            let name = format!("{check}, {run}, {}", random.u32(..));
            let frame = named_root(&check, &name, random.usize(..800));
            fixture.store.append(Signal::Traces, &frame);
        }
        advance(Duration::from_millis(random.u64(..20_000))).await;
        let Some((id, request)) = fixture.send(Signal::Traces) else {
            continue;
        };
        let names = names(&request);
        let is_bad = names.iter().any(|name| name.starts_with(&bad));
        let answer = match (is_unreachable || is_bad, request.len()) {
            (true, _) => away(),
            (false, 1_500..) if random.bool() => too_large(),
            (false, _) => ExportResult::accepted(),
        };
        if matches!(answer, ExportResult::Accepted { .. }) {
            for name in names {
                assert!(taken.insert(name.clone()), "seed {seed}: `{name}` is taken twice");
            }
        }
        fixture.store.complete(Signal::Traces, id, answer);
        let bytes = fixture.report(Signal::Traces).spool_bytes;
        assert!(bytes <= 64 << 10, "seed {seed}: {bytes} bytes");
    }
    assert!(taken.len() > 20, "seed {seed}: {} are taken", taken.len());
}

#[tokio::test(start_paused = true)]
async fn nothing_that_was_taken_is_sent_again_whatever_else_fails_and_goes() {
    for seed in 0..24 {
        takes_nothing_twice(seed).await;
    }
}
