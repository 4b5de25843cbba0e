//! The end, while runs go on.

use tokio::time::sleep;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

/// Answers when it is cut off, and not before.
struct Mute(Room);

impl Execute for Mute {
    async fn execute(&self, request: Request<'_>) -> Report {
        request.shutdown.cancelled().await;
        report(Outcome::Stopped(StopCause::Shutdown))
    }

    fn room(&self) -> &Room {
        &self.0
    }
}

/// Counts what is to be done now and then.
#[derive(Default)]
struct Beats(u64);

impl Watcher for Beats {
    fn finished(
        &mut self,
        _run: &Arc<Run>,
        _standing: &crate::status::Standing,
        _board: &Board,
    ) -> Vec<Change> {
        Vec::new()
    }

    fn beat(&mut self, _now: &Now) -> Vec<Change> {
        self.0 += 1;
        Vec::new()
    }
}

fn parts(liveness: &Registry, swaps: mpsc::Receiver<Swap>) -> Parts<Mute> {
    let mute = Mute(Room::for_runs(4));
    Parts {
        dispatcher: Arc::new(Dispatcher::new(mute, Plugins::default(), 4)),
        board: Board::default(),
        state: State::none().0,
        pulse: Pulse::new(liveness),
        swaps,
        pauses: Pauses::without_a_thread(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_for_a_run_under_way_comes_round_as_it_always_does() {
    let _clocks = Simulated::begin(noon());
    let (liveness, (_swaps, swaps)) = (Registry::default(), mpsc::channel(1));
    let parts = parts(&liveness, swaps);
    let (mut beats, began) = (Beats::default(), Instant::now());
    let suite = loaded(vec![Check::plain("a", MINUTE)]);
    let service = serve(
        parts,
        suite,
        Restored::default(),
        &mut beats,
        sleep(2 * MINUTE),
        GRACE,
    );
    let stalls = async {
        loop {
            sleep(SECOND).await;
            assert_eq!(liveness.stalls(), []);
        }
    };
    let account = tokio::select! {
        account = service => account,
        () = stalls => Account::default(),
    };
    let took = began.elapsed();
    assert_eq!(took.as_secs(), (2 * MINUTE + GRACE).as_secs());
    assert!(beats.0 >= took.as_secs(), "{} beats in {took:?}", beats.0);
    assert_eq!(account.finished_in_all(), 1, "{account:?}");
    assert!(account.holds(0, 0), "{account:?}");
}
