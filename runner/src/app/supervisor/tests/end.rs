//! Shutdown while runs are active.

use tokio::time::sleep;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

/// Completes only when it is aborted.
struct Unresponsive(InstancePool);

impl Execute for Unresponsive {
    async fn execute(&self, request: AttemptRequest<'_>) -> Report {
        request.shutdown.cancelled().await;
        report(Outcome::Stopped(StopCause::Shutdown))
    }

    fn room(&self) -> &InstancePool {
        &self.0
    }
}

/// Counts ticks.
#[derive(Default)]
struct TickCounter(u64);

impl RunObserver for TickCounter {
    fn run_finished(
        &mut self,
        _run: &Arc<Run>,
        _check_status: &canary_run::status::CheckStatus,
        _statuses: &StatusStore,
    ) -> Vec<Change> {
        Vec::new()
    }

    fn tick(&mut self, _now: &Now) -> Vec<Change> {
        self.0 += 1;
        Vec::new()
    }
}

fn dependencies(
    liveness: &Registry,
    suite_updates: mpsc::Receiver<SuiteUpdate>,
) -> Dependencies<Unresponsive> {
    let unresponsive = Unresponsive(InstancePool::for_runs(4));
    Dependencies {
        dispatcher: Arc::new(Dispatcher::new(unresponsive, Plugins::default(), 4)),
        statuses: StatusStore::default(),
        state: State::none().0,
        supervisor_status: SupervisorStatus::new(liveness),
        suite_updates,
        pause_detector: PauseDetector::without_a_thread(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_waits_for_a_run_during_shutdown_keeps_ticking() {
    let _clocks = Simulated::begin(noon());
    let (liveness, (_suite_updates, suite_updates)) = (Registry::default(), mpsc::channel(1));
    let dependencies = dependencies(&liveness, suite_updates);
    let (mut tick_counter, began) = (TickCounter::default(), Instant::now());
    let suite = loaded(vec![Check::minimal("a", MINUTE)]);
    let supervisor = supervise(
        dependencies,
        suite,
        Restored::default(),
        &mut tick_counter,
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
        account = supervisor => account,
        () = stalls => RunAccount::default(),
    };
    let took = began.elapsed();
    assert_eq!(took.as_secs(), (2 * MINUTE + GRACE).as_secs());
    assert!(
        tick_counter.0 >= took.as_secs(),
        "{} beats in {took:?}",
        tick_counter.0
    );
    assert_eq!(account.total_finished(), 1, "{account:?}");
    assert!(account.is_balanced(0, 0), "{account:?}");
}
